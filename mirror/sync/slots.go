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

// slots bound how many fetches from upstreams are under way, and how many of one host, so
// that no host ever has them all. One more than first copies may have is for copies that
// are here already: a push is not to wait for an import.
//
// A fetch whose upstream sends hardly anything is set aside when others wait: it goes on,
// at a slow pace at most, without a slot, and gets one back when nobody else can have it. When
// too many are aside, of all or of its host, the one that has been so for longest ends. Four
// upstreams that trickle would otherwise stop a node, and some repositories of a host all
// others of it.
type slots struct {
	clock   clock.Clock
	mu      sync.Mutex
	firsts  number // of first copies
	taken   map[*slot]struct{}
	waiting []*slot // in the order they came
	aside   []*slot // in the order they were set aside
}

// number is of slots, and of those that are one host's.
type number struct{ all, ofHost int }

const (
	// slowFor is how long an upstream may send less than slowFetch bytes a second before
	// it is taken for slow.
	slowFor   = 5 * time.Second
	slowFetch = 10_000

	lookAtSlow = time.Second
	asides     = 16

	// asidesOfHost are aside of one host. While those who wait are of the same, each has
	// asideFor: a host that is slow with everything is to bring what is small.
	asidesOfHost = 4
	asideFor     = 30 * time.Second
)

// slot is one of them, or a wait for one.
type slot struct {
	context.Context // ends when the fetch has to
	end             context.CancelCauseFunc
	all             *slots
	host            string
	first           bool       // nothing is here yet
	slow            func(bool) // holds the fetch to a pace, or lets it go
	given           chan struct{}

	since    time.Time // of this window
	received int64     // when it began
	now      int64
	alone    bool // git is at work by itself
}

// newSlots returns slots for n first copies at once, and one more.
func newSlots(n int, c clock.Clock) *slots {
	return &slots{clock: c, firsts: number{n, int(share(int64(n)))}, taken: map[*slot]struct{}{}}
}

func (s *slots) join(ctx context.Context, host string, first bool, slow func(bool)) *slot {
	sl := &slot{all: s, host: host, first: first, slow: slow, given: make(chan struct{})}
	sl.Context, sl.end = context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, sl)
	s.hand()
	return sl
}

// try is take for who does not wait: nil where no slot is free.
func (s *slots) try(ctx context.Context, host string, first bool, slow func(bool)) *slot {
	sl := s.join(ctx, host, first, slow)
	select {
	case <-sl.given:
		return sl
	default:
		sl.release()
		return nil
	}
}

// take waits for a slot until ctx ends. slow is called, with a lock held, when the fetch
// is set aside, and when it has a slot again. The slot has to be released.
func (s *slots) take(ctx context.Context, host string, first bool, slow func(bool)) (*slot, error) {
	sl := s.join(ctx, host, first, slow)
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

// fits tells whether there is a slot for sl, if one other had none. s.mu is held.
func (s *slots) fits(sl, without *slot) bool {
	var have, firsts number
	for o := range s.taken {
		if o == without {
			continue
		}
		have.add(o.host == sl.host)
		if o.first {
			firsts.add(o.host == sl.host)
		}
	}
	most := s.firsts
	return have.all <= most.all && have.ofHost <= most.ofHost && (!sl.first || firsts.all < most.all && firsts.ofHost < most.ofHost)
}

func (n *number) add(ofHost bool) {
	if n.all++; ofHost {
		n.ofHost++
	}
}

// hand gives free slots to those who wait, then to those aside. s.mu is held.
func (s *slots) hand() {
	give := func(sl *slot) bool {
		if !s.fits(sl, nil) {
			return false
		}
		s.taken[sl] = struct{}{}
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
	// Who still waits is of a host that has its share, or a first copy where those have
	// theirs: it cannot have what is free now.
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
		if sl.isSlow(now) && s.fits(forWhom, sl) && (slowest == nil || sl.since.Before(slowest.since)) {
			slowest = sl
		}
	}
	if slowest == nil || !s.makeRoomAside(slowest.host, forWhom, now) {
		return
	}
	delete(s.taken, slowest)
	slowest.slow(true)
	slowest.since, slowest.received = now, slowest.now
	s.aside = append(s.aside, slowest)
	s.hand()
}

// makeRoomAside ends the fetch that has been aside for longest where one more of that host
// would be too many, and tells whether one more may be. s.mu is held.
func (s *slots) makeRoomAside(host string, forWhom *slot, now time.Time) bool {
	ofHost := 0
	for _, sl := range s.aside {
		if sl.host == host {
			ofHost++
		}
	}
	tooMany := ofHost >= asidesOfHost
	if !tooMany && len(s.aside) < asides {
		return true
	}
	longest := -1
	for i, sl := range s.aside {
		if (!tooMany || sl.host == host) && (longest < 0 || sl.since.Before(s.aside[longest].since)) {
			longest = i
		}
	}
	sl := s.aside[longest]
	if tooMany && forWhom.host == host && now.Sub(sl.since) < asideFor {
		return false
	}
	sl.end(failure.New(failure.Timeout, fmt.Sprintf("the upstream sent %d bytes and hardly any more, and others wait", sl.now), nil))
	s.aside = slices.Delete(s.aside, longest, longest+1)
	return true
}

// begin has a fetch begin that waited for the slot before it asked, and tells whether it
// has it still: an upstream may be slow to answer.
func (sl *slot) begin(slow func(bool)) bool {
	s := sl.all
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.taken[sl]
	if ok {
		sl.slow, sl.since = slow, s.clock.Now()
	}
	return ok
}

// release gives back whatever this is.
func (sl *slot) release() {
	sl.end(nil)
	s := sl.all
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, sl)
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
