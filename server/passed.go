package server

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// passed is the newest write that the leader has acknowledged through this node. A follower
// learns of a commit a moment after its leader has answered. The answer does not wait for
// that: whoever writes much would wait each time. Who reads from this node next waits, and
// finds what was written.
type passed struct {
	mu    sync.Mutex
	index uint64 // of the log
	vain  uint64 // up to there this node was waited for in vain, and is not any more
}

func (p *passed) note(index uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index = max(p.index, index)
}

// awaited is the index that is to be waited for, 0 for none.
func (p *passed) awaited() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.index <= p.vain {
		return 0
	}
	return p.index
}

func (p *passed) giveUp(index uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vain = max(p.vain, index)
}

// awaitPassed returns when this node's state has what was written through it, or when that
// does not come in time: what is answered then says how old it is. The time is the reader's:
// a node that was frozen since the write is about to hear of it.
func (s *Server) awaitPassed(ctx context.Context) {
	index := s.passed.awaited()
	if s.cfg.State.View().Index() >= index {
		return
	}
	patience := time.NewTimer(leaderPatience)
	defer patience.Stop()
	for {
		changed := s.cfg.State.Changed()
		if s.cfg.State.View().Index() >= index {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-patience.C:
			s.passed.giveUp(index)
			return
		}
	}
}

// afterWrites answers when this node has what was written through it.
func (s *Server) afterWrites(answer handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		s.awaitPassed(r.Context())
		s.stamp(w)
		return answer(w, r)
	}
}
