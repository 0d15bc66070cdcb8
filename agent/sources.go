package agent

import (
	"cmp"
	"context"
	"slices"

	"gitmirror/fsm"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// For implements mirror.Sources: the live nodes that reported a ready copy, the
// owner and those furthest ahead first.
func (a *Agent) For(id string) []mirror.Source {
	view := a.cfg.State.View()
	r := view.Repo(id)
	if r == nil {
		return nil
	}
	copies := slices.Clone(r.Copies)
	slices.SortStableFunc(copies, func(x, y fsm.Copy) int {
		return cmp.Or(cmp.Compare(y.Generation, x.Generation), cmp.Compare(btoi(y.Node == r.Owner), btoi(x.Node == r.Owner)))
	})
	var list []mirror.Source
	for _, cp := range copies {
		n := view.Node(cp.Node)
		if n == nil || n.ID == a.cfg.Self || n.State == fsm.NodeDown || n.State == fsm.NodeLeft {
			continue
		}
		// A copy that leaves still serves until it is gone.
		if cp.State == fsm.CopyReady || cp.State == fsm.CopyLeaving && cp.Generation > 0 {
			list = append(list, source{peers: a.cfg.Peers, name: n.Name, addr: n.Peer, id: id})
		}
	}
	return list
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// source is a repository on another node.
type source struct {
	peers          Peers
	name, addr, id string
}

func (s source) Name() string { return s.name }
func (s source) URL() string  { return s.peers.GitURL(s.addr, s.id) }

func (s source) Table(ctx context.Context, generation uint64) (*refs.Table, error) {
	data, err := s.peers.Table(ctx, s.addr, s.id, generation)
	if err != nil {
		return nil, err
	}
	return refs.Decode(data)
}
