package sync

import (
	"context"

	"golang.org/x/sync/semaphore"

	"gitmirror/mirror/remote"
)

// turn is what a fetch waits for before it begins. The context it gets ends when its turn
// does, and pace, which may be nil, is told how the fetch gets on.
type turn interface {
	acquire(ctx context.Context) (_ context.Context, pace func(received int64, alone bool), release func(), err error)
}

// upstreamTurn is a slot of fetches from upstreams.
type upstreamTurn struct {
	slots *slots
	host  string
	way   remote.Way
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
