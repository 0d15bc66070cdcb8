package sync

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// fetching is a fetch that has a slot, and brings so many bytes a second.
type fetching struct {
	*slot
	slowed atomic.Bool
	done   chan struct{}
}

func begin(t *testing.T, s *slots, host string, rate int64, alone bool) *fetching {
	t.Helper()
	return beginAs(t, s, host, true, rate, alone)
}

func beginAs(t *testing.T, s *slots, host string, first bool, rate int64, alone bool) *fetching {
	t.Helper()
	f := &fetching{done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	t.Cleanup(cancel)
	var err error
	if f.slot, err = s.take(ctx, host, first, f.slowed.Store); err != nil {
		t.Fatal(err)
	}
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for n := int64(1); ; n++ {
			select {
			case <-tick.C:
				f.pace(n*rate, alone)
			case <-f.slot.Done():
				close(f.done)
				return
			}
		}
	}()
	return f
}

func (f *fetching) end() { f.release(); <-f.done }

// Fetches that trickle make room for others, go on slowly, and get their slots back.
func TestFetchesThatTrickleMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(4, clock.System)
		var trickling []*fetching
		for i := range 4 {
			trickling = append(trickling, begin(t, s, fmt.Sprint("evil", i), 100, false))
		}
		time.Sleep(time.Minute)
		for _, f := range trickling {
			if f.slowed.Load() {
				t.Error("set aside while nobody waits")
			}
		}
		began := time.Now()
		honest := begin(t, s, "good", 1<<20, false)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("an honest fetch waited %s", took)
		}
		aside := 0
		for _, f := range trickling {
			if f.Err() != nil {
				t.Errorf("ended: %v", context.Cause(f))
			}
			if f.slowed.Load() {
				aside++
			}
		}
		if aside != 1 {
			t.Errorf("%d are set aside for one", aside)
		}
		honest.end()
		for _, f := range trickling {
			if f.slowed.Load() {
				t.Error("a slot is free, and one is aside")
			}
			f.end()
		}
	})
}

// A fetch that is fast, or during which git works by itself, keeps its slot.
func TestFetchesKeepTheirSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2, clock.System)
		fast, alone := begin(t, s, "a", 20_000, false), begin(t, s, "b", 0, true)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if sl, err := s.take(ctx, "c", true, func(bool) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("another got a slot: %v, %v", sl, err)
		}
		fast.end()
		alone.end()
		begin(t, s, "c", 0, false).end()
	})
}

// One host has its share, whoever waits; a slow one of the same host makes room in it.
func TestAHostHasItsShareOfSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(4, clock.System)
		var held []*fetching
		for range 2 {
			held = append(held, begin(t, s, "a", 20_000, false))
		}
		slow := begin(t, s, "a", 10, false)
		time.Sleep(10 * time.Second)
		fourth := begin(t, s, "a", 20_000, false)
		if !slow.slowed.Load() {
			t.Error("four fetches of one host")
		}
		other := begin(t, s, "b", 20_000, false)
		for _, f := range append(held, slow, fourth, other) {
			f.end()
		}
		if len(s.taken)+len(s.aside)+len(s.waiting) > 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

// Not everything that trickles is kept aside for ever.
func TestTheFirstAsideEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2, clock.System)
		var all []*fetching
		for i := range asides + 3 {
			all = append(all, begin(t, s, fmt.Sprint("evil", i), 1, false))
			time.Sleep(10 * time.Second)
		}
		var f *failure.Error
		if !errors.As(context.Cause(all[0]), &f) || f.Class != failure.Timeout {
			t.Errorf("the first: %v", context.Cause(all[0]))
		}
		for _, f := range all[1:] {
			if f.Err() != nil {
				t.Errorf("another: %v", context.Cause(f))
			}
		}
		for _, f := range all {
			f.end()
		}
	})
}

// While first copies have all the slots that they may have, a copy that is here gets one at
// once; and whatever one host has, another's does.
func TestAPushDoesNotWaitForAnImport(t *testing.T) {
	for n := 1; n <= 5; n++ {
		s := newSlots(n, clock.System)
		take := func(host string, first bool) (got int) {
			for range 10 {
				if s.try(t.Context(), host, first, func(bool) {}) != nil {
					got++
				}
			}
			return got
		}
		share := max(n-1, 1)
		if got := take("a", true); got != share {
			t.Errorf("of %d slots an import has %d", n, got)
		}
		if got := take("a", false); got != 1 {
			t.Errorf("beside it there are %d for what is here", got)
		}
		if got := take("b", true); got != n-share {
			t.Errorf("of %d slots an import of another host has %d", n, got)
		}
		if s = newSlots(n, clock.System); take("a", false) != share+1 {
			t.Errorf("of %d slots what is here does not have its share", n)
		}
		if got := take("b", false); got != n-share {
			t.Errorf("of %d slots another host has %d", n, got)
		}
	}
}

// Of one host some may trickle aside, for a while; then who has brought hardly anything for
// longest ends, for another of the same host. What is aside of others stays.
func TestTheTricklesOfAHostEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(4, clock.System)
		other := begin(t, s, "other", 10, false)
		var all []*fetching
		var third *fetching
		for i := range 3 + asidesOfHost {
			all = append(all, begin(t, s, "evil", 10, false))
			if i == 2 {
				third = begin(t, s, "third", 1<<20, false)
			}
		}
		if !other.slowed.Load() {
			t.Fatal("it was to be aside before the others")
		}
		began := time.Now()
		next := begin(t, s, "evil", 10, false)
		if took := time.Since(began); took < asideFor/2 || took > asideFor+5*time.Second {
			t.Errorf("the next waited %s", took)
		}
		ended := 0
		for _, f := range all {
			if f.Err() != nil {
				ended++
			}
		}
		if ended != 1 || other.Err() != nil || third.Err() != nil || next.Err() != nil {
			t.Errorf("%d of the first have ended; %v, %v, %v", ended, other.Err(), third.Err(), next.Err())
		}
		began = time.Now()
		good := begin(t, s, "good", 1<<20, false)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("another host waited %s", took)
		}
		for _, f := range append(all, other, third, next, good) {
			f.end()
		}
		if len(s.taken)+len(s.aside)+len(s.waiting) > 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

// A slot that was waited for before upstream was asked is lost to others where that takes
// long.
func TestASlotIsNotHeldWhileAnUpstreamHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, clock.System)
		take := func(host string) *slot {
			sl, err := s.take(t.Context(), host, true, func(bool) {})
			if err != nil {
				t.Fatal(err)
			}
			return sl
		}
		hangs := take("evil")
		good := take("good")
		if hangs.begin(func(bool) {}) || !good.begin(func(bool) {}) {
			t.Error("two fetches in one slot")
		}
		turn := upstreamTurn{slots: s, task: work.Task{Fetch: true}, first: true, held: hangs, way: &simulatedWay{}}
		again, err := turn.slot(t.Context())
		if _, ok := s.taken[again]; err != nil || !ok {
			t.Errorf("a fetch without a slot: %v, %v", again, err)
		}
		again.release()
		good.release()
		if len(s.taken)+len(s.aside)+len(s.waiting) > 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

// What is aside gets a slot that is free, though somebody waits whose host has its share:
// who cannot have it does not want it.
func TestASlotThatNobodyCanHaveGoesToWhoIsAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(4, clock.System)
		slow := begin(t, s, "slow", 10, false)
		var big []*fetching
		for range 3 {
			big = append(big, begin(t, s, "big", 1<<20, false))
		}
		time.Sleep(10 * time.Second)
		other := begin(t, s, "other", 1<<20, false)
		if !slow.slowed.Load() {
			t.Fatal("it is not aside")
		}
		waits := make(chan *slot, 1)
		go func() {
			sl, _ := s.take(t.Context(), "big", true, func(bool) {}) // for the rest of an import
			waits <- sl
		}()
		synctest.Wait()
		other.end()
		time.Sleep(time.Minute)
		if slow.slowed.Load() {
			t.Errorf("a slot has been free for a minute (%d taken), and it is held to a pace", len(s.taken))
		}
		for _, f := range append(big, slow) {
			f.end()
		}
		(<-waits).release()
	})
}
