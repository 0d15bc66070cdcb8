package sync

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/mirror/failure"
)

// slots bound how many fetches from upstreams are under way, and how many of one host.
// A fetch whose upstream sends hardly anything is set aside when others wait: it goes on,
// at slowPace at most, without a slot, and gets one back when nobody else wants it. When
// too many are aside, the first of them ends. Four upstreams that trickle would otherwise
// stop a node.
type slots struct {
	clock   clock.Clock
	mu      sync.Mutex
	n       int
	perHost int
	taken   map[*slot]struct{}
	hosts   map[string]int // of taken
	waiting []*slot        // in the order they came
	aside   []*slot
}

const (
	// slowFor is how long an upstream may send less than slowFetch bytes a second before
	// it is taken for slow.
	slowFor   = 5 * time.Second
	slowFetch = 10_000

	lookAtSlow = time.Second
	asides     = 16
)

// slot is one of them, or a wait for one.
type slot struct {
	context.Context // ends when the fetch has to
	end             context.CancelCauseFunc
	all             *slots
	host            string
	slow            func(bool) // holds the fetch to a pace, or lets it go
	given           chan struct{}

	since    time.Time // of this window
	received int64     // when it began
	now      int64
	alone    bool // git is at work by itself
}

func newSlots(n int, c clock.Clock) *slots {
	return &slots{clock: c, n: n, perHost: int(share(int64(n))), taken: map[*slot]struct{}{}, hosts: map[string]int{}}
}

// take waits for a slot until ctx ends. slow is called, with a lock held, when the fetch
// is set aside, and when it has a slot again. The slot has to be released.
func (s *slots) take(ctx context.Context, host string, slow func(bool)) (*slot, error) {
	sl := &slot{all: s, host: host, slow: slow, given: make(chan struct{})}
	sl.Context, sl.end = context.WithCancelCause(ctx)
	s.mu.Lock()
	s.waiting = append(s.waiting, sl)
	s.hand()
	s.mu.Unlock()
	look := make(chan struct{}, 1)
	every := s.clock.AfterFunc(lookAtSlow, func() { look <- struct{}{} })
	defer every.Stop()
	for {
		select {
		case <-sl.given:
			return sl, nil
		case <-look:
			s.makeRoom(sl)
			every.Reset(lookAtSlow)
		case <-ctx.Done():
			sl.release()
			return nil, context.Cause(ctx)
		}
	}
}

func (s *slots) fits(sl *slot) bool { return len(s.taken) < s.n && s.hosts[sl.host] < s.perHost }

// hand gives free slots to those who wait, then to those aside. s.mu is held.
func (s *slots) hand() {
	give := func(sl *slot) bool {
		if !s.fits(sl) {
			return false
		}
		s.taken[sl] = struct{}{}
		s.hosts[sl.host]++
		sl.since, sl.received = s.clock.Now(), sl.now
		return true
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(sl *slot) bool {
		ok := give(sl)
		if ok {
			close(sl.given)
		}
		return ok
	})
	if len(s.waiting) > 0 {
		return
	}
	s.aside = slices.DeleteFunc(s.aside, func(sl *slot) bool {
		ok := give(sl)
		if ok {
			sl.slow(false)
		}
		return ok
	})
}

// makeRoom sets a slow fetch aside for one that waits.
func (s *slots) makeRoom(forWhom *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.waiting, forWhom) {
		return
	}
	now := s.clock.Now()
	var slowest *slot
	for sl := range s.taken {
		ofHost := sl.host == forWhom.host
		if !sl.isSlow(now) || !ofHost && s.hosts[forWhom.host] >= s.perHost {
			continue
		}
		if slowest == nil || sl.since.Before(slowest.since) {
			slowest = sl
		}
	}
	if slowest == nil {
		return
	}
	s.leave(slowest)
	slowest.slow(true)
	s.aside = append(s.aside, slowest)
	if len(s.aside) > asides {
		s.aside[0].end(failure.New(failure.Timeout, fmt.Sprintf("the upstream sent %d bytes and hardly any more, and others wait", s.aside[0].now), nil))
		s.aside = s.aside[1:]
	}
	s.hand()
}

// leave takes a slot from who has one. s.mu is held.
func (s *slots) leave(sl *slot) {
	delete(s.taken, sl)
	if s.hosts[sl.host]--; s.hosts[sl.host] == 0 {
		delete(s.hosts, sl.host)
	}
}

// release gives back whatever this is.
func (sl *slot) release() {
	sl.end(nil)
	s := sl.all
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.taken[sl]; ok {
		s.leave(sl)
	}
	is := func(other *slot) bool { return other == sl }
	s.waiting, s.aside = slices.DeleteFunc(s.waiting, is), slices.DeleteFunc(s.aside, is)
	s.hand()
}

// pace notes how many bytes have come, and whether any are waited for.
func (sl *slot) pace(received int64, alone bool) {
	s := sl.all
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.now, sl.alone = received, alone
	if now := s.clock.Now(); alone || now.Sub(sl.since) >= slowFor && !sl.isSlow(now) {
		sl.since, sl.received = now, received
	}
}

func (sl *slot) isSlow(now time.Time) bool {
	took := now.Sub(sl.since)
	return !sl.alone && took >= slowFor && float64(sl.now-sl.received) < slowFetch*took.Seconds()
}
