package leader

import (
	"context"
	"errors"
	"sync"
	"time"

	"gitmirror/internal/refusal"
)

const (
	// silentAfter is how long who leads does not take what is proposed until that is shown: an
	// election or a lost packet is over by then.
	silentAfter = 10 * time.Second
	// silentFor is how long it is shown where nothing more was proposed.
	silentFor = time.Minute
)

// silence is that what this node proposes gets no answer from who leads, from which it may
// hear all the same: connections may be made in one direction alone.
type silence struct {
	mu    sync.Mutex
	by    string // address
	since time.Time
	last  time.Time
	err   error // of the last call, nil where it was answered
}

// note takes in what a call came to that began then.
func (s *silence) note(ctx context.Context, by string, began time.Time, err error) {
	answered := err == nil || refusal.Of(err) != nil && !errors.Is(err, refusal.UnknownOutcome)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case answered:
		s.err = nil
	case errors.Is(ctx.Err(), context.Canceled): // who asked does not wait for it any more
	default:
		if s.err == nil || s.by != by || began.Sub(s.last) > silentFor {
			s.by, s.since = by, began
		}
		s.last, s.err = time.Now(), err
	}
}

// Unanswered is since when who leads has not answered what this node proposes, and why; nil
// where that is not so, or not for ten seconds.
func (r *Reach) Unanswered() (since time.Time, err error) {
	_, addr := r.Consensus.Leader()
	s := &r.silence
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil || s.by != addr || time.Since(s.last) > silentFor || time.Since(s.since) < silentAfter {
		return time.Time{}, nil
	}
	return s.since, s.err
}
