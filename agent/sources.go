package agent

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gitmirror/fsm"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// outage is how long a node has been down, by the clock of this process: that of
// another node may be wrong.
type outage struct{ since, seen time.Time }

// watchNodes notes which nodes are down since when.
func (a *Agent) watchNodes(view *fsm.View, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range view.Nodes() {
		if n.State != fsm.NodeDown {
			delete(a.down, n.Num)
		} else if a.down[n.Num].since != n.Since {
			a.down[n.Num] = outage{n.Since, now}
		}
	}
}

// expected tells whether a node that is down may come back with what it has.
func (a *Agent) expected(n *fsm.Node, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, known := a.down[n.Num]
	return n.State == fsm.NodeDown && (!known || o.since != n.Since || now.Sub(o.seen) < a.cfg.ReplaceAfter)
}

// downFor is how long this process has seen a node down.
func (a *Agent) downFor(n *fsm.Node, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return now.Sub(a.down[n.Num].seen)
}

// For implements mirror.Sources: of the nodes that reported a ready copy those
// that live, the owner and those furthest ahead first, and those that are
// expected back.
func (a *Agent) For(id string) mirror.Holders {
	view := a.cfg.State.View()
	r := view.Repo(id)
	if r == nil {
		return mirror.Holders{}
	}
	copies := slices.Clone(r.Copies)
	slices.SortStableFunc(copies, func(x, y fsm.Copy) int {
		return cmp.Or(cmp.Compare(y.Generation, x.Generation), cmp.Compare(btoi(y.Node == r.Owner), btoi(x.Node == r.Owner)))
	})
	var h mirror.Holders
	for _, cp := range copies {
		n := view.Node(cp.Node)
		// A copy that leaves still serves until it is gone.
		holds := cp.State == fsm.CopyReady || cp.State == fsm.CopyLeaving && cp.Generation > 0
		switch {
		case n == nil || n.ID == a.cfg.Self || !holds:
		case n.State.Live():
			h.Live = append(h.Live, source{peers: a.cfg.Peers, name: n.Name, addr: n.Peer, id: id, generation: cp.Generation})
		case a.expected(n, time.Now()):
			h.Expected = append(h.Expected, mirror.Expected{Name: n.Name, Generation: cp.Generation})
		}
	}
	return h
}

// Logged implements mirror.Sources.
func (a *Agent) Logged(id string) ([]refs.Change, bool) {
	view := a.cfg.State.View()
	r := view.Repo(id)
	if r == nil {
		return nil, false
	}
	logged, ok := view.LoggedChanges(r)
	if !ok {
		return nil, false
	}
	changes := make([]refs.Change, len(logged))
	for i, c := range logged {
		changes[i] = refs.Change{Ref: c.GetRef(), Old: c.GetOld(), New: c.GetNew()}
	}
	return changes, true
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
	generation     uint64
}

func (s source) Name() string       { return s.name }
func (s source) Generation() uint64 { return s.generation }
func (s source) URL() string        { return s.peers.GitURL(s.addr, s.id) }

func (s source) Doubt(ctx context.Context) error { return s.peers.Doubt(ctx, s.addr, s.id) }

func (s source) Lost(ctx context.Context, generation uint64) (*refs.Table, error) {
	data, err := s.peers.Lost(ctx, s.addr, s.id, generation)
	if err != nil {
		return nil, err
	}
	return refs.Decode(data)
}

func (s source) Past(ctx context.Context, digest refs.Digest) ([]byte, error) {
	data, err := s.peers.Past(ctx, s.addr, s.id, digest.String())
	if err == nil && data == nil {
		err = mirror.ErrNoPast
	}
	return data, err
}

func (s source) Table(ctx context.Context, generation uint64) (*refs.Table, error) {
	data, err := s.peers.Table(ctx, s.addr, s.id, generation)
	if err != nil {
		return nil, err
	}
	return refs.Decode(data)
}
