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
	index uint64    // of the log
	until time.Time // when this node is not waited for any more
}

func (p *passed) note(index uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if index > p.index {
		p.index, p.until = index, time.Now().Add(leaderPatience)
	}
}

// awaitPassed returns when this node's state has what was written through it, or when that
// does not come in time: what is answered then says how old it is.
func (s *Server) awaitPassed(ctx context.Context) {
	s.passed.mu.Lock()
	index, until := s.passed.index, s.passed.until
	s.passed.mu.Unlock()
	if index > s.cfg.State.View().Index() && time.Now().Before(until) {
		ctx, cancel := context.WithDeadline(ctx, until)
		defer cancel()
		_ = s.cfg.Consensus.WaitApplied(ctx, index)
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
