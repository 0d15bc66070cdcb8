package world

import (
	"context"
	"fmt"
	"slices"

	"gitmirror/api"
)

// undo brings a repository back that people have had removed, one that a node lists where there
// is any. As it may have been paused then, it is followed again.
func (r *run) undo(s Step) {
	n, key, u := r.node(s.Node), r.key(s), r.upstream(s.Repo)
	r.work.Go(func() {
		if thrown := r.thrown(n, s.Other); thrown != nil {
			u = thrown
		}
		name := nameOf(u)
		r.touch(name)
		u.pauses(1)
		out := r.ask(Operation{What: "undo", Subject: name, Key: key}, r.indexOf(n), func(ctx context.Context, n *Node, key string) (string, error) {
			row, err := n.Client.RestoreRemoved(ctx, name, key)
			if err != nil {
				return "", err
			}
			return row.ID, nil
		})
		r.added(u, out)
		r.resume(u, s.Node+1, fmt.Sprintf("key %d", r.asked.Add(1)))
	})
}

// thrown is an upstream of which a node says that people have had it removed, nil for none, and for what
// sources have had mirrored.
func (r *run) thrown(n *Node, luck int) *Upstream {
	var list api.TrashList
	if _, err := n.Get(context.Background(), "/api/v1/trash", &list); err != nil || len(list.Trash) == 0 {
		return nil
	}
	u := r.w.upstream(list.Trash[luck%len(list.Trash)].URLs[0])
	if !slices.Contains(r.upstreams(), u) {
		return nil
	}
	return u
}
