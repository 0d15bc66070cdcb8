package server

import (
	"context"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/peer"
)

// ownerPatience is how long a page waits for what only owners know.
const ownerPatience = 500 * time.Millisecond

// firsthand is what nodes say of a row that only they know; nobody was asked, or answered, where it
// is zero.
type firsthand struct {
	owner    *peer.Live
	progress map[fsm.NodeNum]*api.Progress // of copies
	has      map[fsm.NodeNum]*uint64       // generations that are live
	upkeep   map[fsm.NodeNum]*api.Upkeep   // how copies are kept, where one row is looked at
}

// live asks for what only nodes know of the rows, each node once: the owner, and those whose
// copies lack what is published, of how far they are; of one row alone all who have a copy.
func (s *Server) live(ctx context.Context, view *fsm.View, rows []*fsm.Repo) map[string]firsthand {
	byNode, owners := map[fsm.NodeNum][]string{}, map[string]fsm.NodeNum{}
	for _, r := range rows {
		for _, c := range r.Copies {
			if c.Node != r.Owner && r.Generation > 0 && (c.Generation < r.Generation || len(rows) == 1) && c.State != fsm.CopyLeaving {
				byNode[c.Node] = append(byNode[c.Node], r.ID)
			}
		}
		if r.Owner != 0 {
			byNode[r.Owner] = append(byNode[r.Owner], r.ID)
			owners[r.ID] = r.Owner
		}
	}
	out := map[string]firsthand{}
	var mu sync.Mutex
	s.ask(ctx, view, func(n *fsm.Node) []string { return byNode[n.Num] }, func(n *fsm.Node, a peer.LiveAnswer) {
		mu.Lock()
		defer mu.Unlock()
		for id, l := range a.Repos {
			t := out[id]
			if owners[id] == n.Num {
				t.owner = &l
			}
			if l.Upkeep != nil {
				if t.upkeep == nil {
					t.upkeep = map[fsm.NodeNum]*api.Upkeep{}
				}
				t.upkeep[n.Num] = l.Upkeep
			}
			if l.Generation != nil {
				if t.has == nil {
					t.has = map[fsm.NodeNum]*uint64{}
				}
				t.has[n.Num] = l.Generation
			}
			if l.Progress != nil {
				if t.progress == nil {
					t.progress = map[fsm.NodeNum]*api.Progress{}
				}
				t.progress[n.Num] = l.Progress
			}
			out[id] = t
		}
	})
	return out
}

// ask calls every node for which ids is not nil, all at once, and hands over
// the answers that come in time. Who has not answered is noted.
func (s *Server) ask(asker context.Context, view *fsm.View, ids func(*fsm.Node) []string, got func(*fsm.Node, peer.LiveAnswer)) {
	ctx, cancel := context.WithTimeout(asker, ownerPatience)
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
				a, err := s.cfg.Peers.Live(ctx, n.Peer, list)
				if err == nil {
					got(n, a)
				}
				if asker.Err() == nil {
					s.silent.note(n.ID, err)
				}
			})
		}
	}
	wg.Wait()
}
