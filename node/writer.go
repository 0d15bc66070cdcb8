package node

import (
	"context"
	"encoding/hex"
	"time"

	"gitmirror/api"
	"gitmirror/coordinator"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/server"
)

// writer is the coordinator in the server's terms.
type writer struct{ *coordinator.Coordinator }

func (w writer) Add(ctx context.Context, repos []api.AddRepo, key string) ([]server.Added, error) {
	results := make([]server.Added, len(repos))
	var list []coordinator.NewRepo
	var where []int
	for i, a := range repos {
		n := coordinator.NewRepo{URLs: a.URLs, Name: a.Name, Replicas: a.Replicas, Labels: a.Labels,
			Limits: coordinator.Limits{Size: a.MaxSize, Object: a.MaxObjectSize, Accept: a.AcceptFlaws}}
		if a.URL != "" {
			n.URLs = append([]string{a.URL}, a.URLs...)
		}
		if a.Interval != "" {
			d, err := time.ParseDuration(a.Interval)
			if err != nil {
				results[i].Err = refusal.New(refusal.IntervalInvalid, "the interval %.40q is not a duration", a.Interval).Try("write it like 90s, 5m or 1h")
				continue
			}
			if d%time.Millisecond != 0 {
				results[i].Err = refusal.New(refusal.IntervalInvalid, "the interval %.40q is finer than a millisecond", a.Interval).Try("write it like 1500ms, 90s or 1h")
				continue
			}
			n.Interval = d
			if d == 0 {
				n.Interval = -1 // asked for, and refused as out of bounds
			}
		}
		list, where = append(list, n), append(where, i)
	}
	added, err := w.Coordinator.Add(ctx, list, key)
	if err != nil {
		return nil, err
	}
	for k, a := range added {
		results[where[k]] = server.Added(a)
	}
	return results, nil
}

func (w writer) Set(ctx context.Context, id string, set api.SetRepo, key string) error {
	return w.Coordinator.SetLimits(ctx, id, coordinator.Change{Size: set.MaxSize, Object: set.MaxObjectSize, Accept: set.AcceptFlaws}, key)
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
