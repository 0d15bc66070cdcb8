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

// watchNodes notes which nodes are down since when, and tells whether one is not any more.
func (a *Agent) watchNodes(view *fsm.View, now time.Time) (returned bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range view.Nodes() {
		if n.State != fsm.NodeDown {
			_, was := a.down[n.Num]
			returned = returned || was
			delete(a.down, n.Num)
		} else if a.down[n.Num].since != n.Since {
			a.down[n.Num] = outage{n.Since, now}
		}
	}
	return returned
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

// For implements mirror.Locator: of the nodes that reported a ready copy those
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
			h.Live = append(h.Live, holder{peers: a.cfg.Peers, name: n.Name, addr: n.Peer, id: id, generation: cp.Generation})
		case a.expected(n, time.Now()):
			h.Expected = append(h.Expected, mirror.Expected{Name: n.Name, Generation: cp.Generation})
		}
	}
	return h
}

// Logged implements mirror.Locator.
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

// holder is a copy on another node. It implements mirror.Holder.
type holder struct {
	peers          Peers
	name, addr, id string
	generation     uint64
}

func (h holder) Name() string       { return h.name }
func (h holder) Generation() uint64 { return h.generation }
func (h holder) URL() string        { return h.peers.GitURL(h.addr, h.id) }

func (h holder) Doubt(ctx context.Context) error { return h.peers.Doubt(ctx, h.addr, h.id) }

func (h holder) Lost(ctx context.Context, generation uint64) (*refs.Table, error) {
	data, err := h.peers.Lost(ctx, h.addr, h.id, generation)
	if err != nil {
		return nil, err
	}
	return refs.Decode(data)
}

func (h holder) Past(ctx context.Context, digest refs.Digest) ([]byte, error) {
	data, err := h.peers.Past(ctx, h.addr, h.id, digest.String())
	if err == nil && data == nil {
		err = mirror.ErrNoPast
	}
	return data, err
}

func (h holder) Table(ctx context.Context, generation uint64) (*refs.Table, error) {
	data, err := h.peers.Table(ctx, h.addr, h.id, generation)
	if err != nil {
		return nil, err
	}
	return refs.Decode(data)
}
