package node

import (
	"context"
	"encoding/hex"

	"gitmirror/api"
	"gitmirror/coordinator"
	"gitmirror/fsm/command"
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

func (w writer) Approve(ctx context.Context, id string, a api.Approve, key string) error {
	c := &command.Approve{Repo: id}
	for _, r := range a.Release {
		c.Release = append(c.Release, &command.Release{Ref: r.Ref, Upstream: r.Upstream})
	}
	c.Losses, _ = hex.DecodeString(a.Losses)
	c.Observed, _ = hex.DecodeString(a.Observed)
	return w.Coordinator.Do(ctx, c, key)
}

func (w writer) Pin(ctx context.Context, id, ref, oid, key string) error {
	return w.Coordinator.Do(ctx, &command.Pin{Repo: id, Ref: ref, Oid: oid}, key)
}
