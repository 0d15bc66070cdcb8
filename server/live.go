package server

import (
	"context"
	"sync"
	"time"

	"gitmirror/fsm"
	"gitmirror/peer"
)

// ownerPatience is how long a page waits for what only owners know.
const ownerPatience = 500 * time.Millisecond

// live asks each owner of the rows once for what only it knows. Rows whose
// owner does not answer are missing from the result.
func (s *Server) live(ctx context.Context, view *fsm.View, rows []*fsm.Repo) map[string]peer.Live {
	byOwner := map[fsm.NodeNum][]string{}
	for _, r := range rows {
		if r.Owner != 0 {
			byOwner[r.Owner] = append(byOwner[r.Owner], r.ID)
		}
	}
	out := map[string]peer.Live{}
	var mu sync.Mutex
	s.ask(ctx, view, func(n *fsm.Node) []string { return byOwner[n.Num] }, func(_ *fsm.Node, a peer.LiveAnswer) {
		mu.Lock()
		defer mu.Unlock()
		for id, l := range a.Repos {
			out[id] = l
		}
	})
	return out
}

// ask calls every node for which ids is not nil, all at once, and hands over
// the answers that come in time.
func (s *Server) ask(ctx context.Context, view *fsm.View, ids func(*fsm.Node) []string, got func(*fsm.Node, peer.LiveAnswer)) {
	ctx, cancel := context.WithTimeout(ctx, ownerPatience)
	defer cancel()
	var wg sync.WaitGroup
	for _, n := range view.Nodes() {
		list := ids(n)
		switch {
		case list == nil:
		case n.ID == s.cfg.Self:
			got(n, s.cfg.Local.Live(ctx, list))
		case n.State == fsm.NodeDown || n.State == fsm.NodeLeft:
		default:
			wg.Go(func() {
				if a, err := s.cfg.Peers.Live(ctx, n.Peer, list); err == nil {
					got(n, a)
				}
			})
		}
	}
	wg.Wait()
}
