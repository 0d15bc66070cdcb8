package node

import (
	"context"

	"gitmirror/coordinator"
	"gitmirror/server"
)

// writer is the coordinator in the server's terms.
type writer struct{ *coordinator.Coordinator }

func (w writer) Add(ctx context.Context, repos []server.NewRepo, key string) ([]server.Added, error) {
	list := make([]coordinator.NewRepo, len(repos))
	for i, r := range repos {
		list[i] = coordinator.NewRepo(r)
	}
	added, err := w.Coordinator.Add(ctx, list, key)
	results := make([]server.Added, len(added))
	for i, a := range added {
		results[i] = server.Added(a)
	}
	return results, err
}

func (w writer) Remove(ctx context.Context, id, key string) error {
	errs, err := w.Coordinator.Remove(ctx, []string{id}, key)
	if err == nil {
		err = errs[0]
	}
	return err
}

func (w writer) RemoveNode(ctx context.Context, id, key string) error {
	return w.Coordinator.RemoveNode(ctx, id, key)
}
