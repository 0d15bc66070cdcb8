package sync

import (
	"context"
	"errors"

	"golang.org/x/sync/semaphore"

	"gitmirror/mirror/remote"
	"gitmirror/mirror/work"
)

// turn is what a fetch waits for before it begins. The context it gets ends when its turn
// does, and pace, which may be nil, is told how the fetch gets on.
type turn interface {
	acquire(ctx context.Context) (_ context.Context, pace func(received int64, alone bool), release func(), err error)
}

// upstreamTurn is a slot of fetches from upstreams. A run that has asked before it has one
// holds an answer, which others may need room for, and a place of those that ask: it gets a
// slot that is free, or none. It is run again among those that fetch, and waits there, with
// empty hands, before it asks.
type upstreamTurn struct {
	slots *slots
	task  work.Task
	first bool  // nothing is here yet
	held  *slot // that was waited for, nil for none
	way   remote.Way
}

// errNoSlot says that a run has to wait for what it is to fetch.
var errNoSlot = errors.New("as many fetches as may be are under way")

func (t upstreamTurn) acquire(ctx context.Context) (context.Context, func(int64, bool), func(), error) {
	sl, err := t.slot(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	return sl, sl.pace, sl.release, nil
}

func (t upstreamTurn) slot(ctx context.Context) (*slot, error) {
	if t.held != nil {
		if t.held.begin(t.way.Slow) {
			return t.held, nil
		}
		t.held.release()
		return t.slots.take(ctx, t.task.Host(), t.first, t.way.Slow)
	}
	sl := t.slots.try(ctx, t.task.Host(), t.first, t.way.Slow)
	if sl == nil {
		return nil, errNoSlot
	}
	if t.task.ToFetch != nil && !t.task.ToFetch() {
		sl.release()
		return nil, errNoSlot
	}
	return sl, nil
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
