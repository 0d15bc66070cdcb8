package mirror

import (
	"context"

	"golang.org/x/sync/semaphore"

	"gitmirror/internal/egress"
)

// lane bounds how many jobs of one kind run at once. There are two, so that a
// job that waits for a peer takes no place of those that ask an upstream.
type lane struct {
	limit   int
	running int
	waiting []string // jobs that are due, in the order they came
	closed  bool     // nothing more is started
}

// host bounds how many repositories of one upstream host are worked on.
type host struct {
	name    string
	running int
	waiting []string
}

// peerPlaces bounds what is asked of one peer at a time: one that is frozen
// must not take the places of those that copy from others.
type peerPlaces struct {
	running int
	waiting []string // jobs that found no place, and no other peer
	fetches *semaphore.Weighted
}

// laneOf is where a run of j for that step belongs.
func (e *Engine) laneOf(j *job, s step) *lane {
	if j.want.Role == Owner && (s == checkUpstream || s == askUpstream) {
		return &e.upstreams
	}
	return &e.peers
}

// host returns the places of an upstream's host. Engine.mu is held.
func (e *Engine) host(name string) *host {
	h := e.hosts[name]
	if h == nil {
		h = &host{name: name}
		e.hosts[name] = h
	}
	return h
}

// share is how many of n fetches one host or peer may have under way: those that
// hang there must leave room for the others'.
func share(n int64) int64 { return max(n-1, 1) }

// leave gives back what a run held and starts who waited for it. Engine.mu is
// held.
func (e *Engine) leave(r *run) {
	r.lane.running--
	if h := r.host; h != nil {
		h.running--
		for h.running < e.cfg.ChecksPerHost && len(h.waiting) > 0 {
			h.waiting = e.unpark(h.waiting)
		}
		if h.running == 0 && len(h.waiting) == 0 {
			delete(e.hosts, h.name)
		}
	}
	for r.lane.running < r.lane.limit && len(r.lane.waiting) > 0 {
		r.lane.waiting = e.unpark(r.lane.waiting)
	}
}

// unpark admits the first of those who wait and returns the others.
func (e *Engine) unpark(waiting []string) []string {
	id := waiting[0]
	if j := e.jobs[id]; j != nil {
		j.parked = false
		e.admit(id)
	}
	return waiting[1:]
}

// atPeer takes a place at a peer, if one is free.
func (e *Engine) atPeer(name string) (*peerPlaces, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.atPeers[name]
	if p == nil {
		p = &peerPlaces{fetches: semaphore.NewWeighted(share(e.cfg.Fetches))}
		e.atPeers[name] = p
	}
	if p.running >= e.cfg.CopiesPerPeer {
		return nil, false
	}
	p.running++
	return p, true
}

// leavePeer gives the place back, and has the first that waited for it tried.
func (e *Engine) leavePeer(name string, p *peerPlaces) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p.running--
	for len(p.waiting) > 0 {
		j := e.jobs[p.waiting[0]]
		p.waiting = p.waiting[1:]
		if j != nil && j.assigned && !j.want.Paused {
			e.kick(j, e.now())
			e.signal()
			break
		}
	}
	if p.running == 0 && len(p.waiting) == 0 {
		delete(e.atPeers, name)
	}
}

// turn is what a fetch waits for before it begins. The context it gets ends when its turn
// does, and pace, which may be nil, is told how the fetch gets on.
type turn interface {
	acquire(ctx context.Context) (_ context.Context, pace func(received int64, alone bool), release func(), err error)
}

// upstreamTurn is a slot of fetches from upstreams.
type upstreamTurn struct {
	slots *slots
	host  string
	way   *egress.Grant
}

func (t upstreamTurn) acquire(ctx context.Context) (context.Context, func(int64, bool), func(), error) {
	sl, err := t.slots.take(ctx, t.host, t.way.Slow)
	if err != nil {
		return nil, nil, nil, err
	}
	return sl, sl.pace, sl.release, nil
}

// turns are a peer's share, then one of all fetches from peers.
type turns []*semaphore.Weighted

func (t turns) acquire(ctx context.Context) (context.Context, func(int64, bool), func(), error) {
	for i, s := range t {
		if err := s.Acquire(ctx, 1); err != nil {
			t[:i].release()
			return nil, nil, nil, err
		}
	}
	return ctx, nil, t.release, nil
}

func (t turns) release() {
	for _, s := range t {
		s.Release(1)
	}
}
