package node

import (
	"context"

	"gitmirror/coordinator"
	"gitmirror/server"
)

// writer is the coordinator in the server's terms.
type writer struct{ *coordinator.Coordinator }

func (w writer) Add(ctx context.Context, repos []server.NewRepo, key string) ([]server.Added, error) {
	added, err := w.Coordinator.Add(ctx, newRepos(repos), key)
	return results(added), err
}

func (w writer) WouldAdd(repos []server.NewRepo) ([]server.Added, error) {
	added, err := w.Coordinator.WouldAdd(newRepos(repos))
	return results(added), err
}

func (w writer) Change(ctx context.Context, changes []server.Change, key string) ([]server.Added, error) {
	list := make([]coordinator.Change, len(changes))
	for i, c := range changes {
		list[i] = coordinator.Change(c)
	}
	changed, err := w.Coordinator.Change(ctx, list, key)
	return results(changed), err
}

func (w writer) AddSource(ctx context.Context, n server.NewSource, key string) (string, error) {
	return w.Coordinator.AddSource(ctx, coordinator.NewSource(n), key)
}

func newRepos(repos []server.NewRepo) []coordinator.NewRepo {
	list := make([]coordinator.NewRepo, len(repos))
	for i, r := range repos {
		list[i] = coordinator.NewRepo(r)
	}
	return list
}

func results(added []coordinator.Added) []server.Added {
	list := make([]server.Added, len(added))
	for i, a := range added {
		list[i] = server.Added(a)
	}
	return list
}
