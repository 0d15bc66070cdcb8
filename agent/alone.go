package agent

import (
	"context"
	"sync"
	"time"
)

// Leader is what the agent asks of the raft group.
type Leader interface {
	// Led tells whether this node leads, or has heard from a leader a moment ago.
	Led() bool
	// CatchUp returns when this node has applied what a leader has committed.
	CatchUp(ctx context.Context) error
}

// A node that hears of no leader for aloneAfter can publish nothing, and another may own its
// repositories by now. An election takes less.
const (
	aloneAfter   = 15 * time.Second
	aloneTick    = time.Second
	catchUpBound = 5 * time.Second // then it is tried again
)

// solitude is whether this node is alone, for whoever has to know besides the mirror.
type solitude struct {
	mu    sync.Mutex
	alone bool
	turns chan struct{} // closed when that is another; nil while nobody waits
}

func (s *solitude) set(alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone = alone
	if s.turns != nil {
		close(s.turns)
		s.turns = nil
	}
}

// Alone tells whether this node hears of no leader, or has not yet learned what it has missed meanwhile: what is its
// to do may be another's by now. turns is closed when that changes.
func (a *Agent) Alone() (alone bool, turns <-chan struct{}) {
	s := &a.solitude
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns == nil {
		s.turns = make(chan struct{})
	}
	return s.alone, s.turns
}

// heed tells the mirror whether this node is alone. When it is not any more, it learns what
// it has missed before upstreams are asked.
func (a *Agent) heed(ctx context.Context) error {
	tick := time.NewTicker(aloneTick)
	defer tick.Stop()
	alone, heard := false, time.Now()
	for {
		led := a.cfg.Leader.Led()
		switch {
		case led && alone && a.caughtUp(ctx) == nil:
			alone, heard = false, time.Now()
			a.log.Info("there is a leader again: upstreams are asked")
			a.mirror.Alone(false)
			a.solitude.set(false)
		case led && !alone:
			heard = time.Now()
		case !alone && time.Since(heard) >= aloneAfter:
			alone = true
			a.log.Warn("no leader is heard of: upstreams are not asked, what is here is served", "for", aloneAfter)
			a.mirror.Alone(true)
			a.solitude.set(true)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Agent) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpBound)
	defer cancel()
	return a.cfg.Leader.CatchUp(ctx)
}
