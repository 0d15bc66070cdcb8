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
)

// fetching is a fetch that has a slot, and brings so many bytes a second.
type fetching struct {
	*slot
	slowed atomic.Bool
	done   chan struct{}
}

func begin(t *testing.T, s *slots, host string, rate int64, alone bool) *fetching {
	t.Helper()
	f := &fetching{done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	t.Cleanup(cancel)
	var err error
	if f.slot, err = s.take(ctx, host, f.slowed.Store); err != nil {
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
		if sl, err := s.take(ctx, "c", func(bool) {}); !errors.Is(err, context.DeadlineExceeded) {
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
		if len(s.taken)+len(s.aside)+len(s.waiting)+len(s.hosts) > 0 {
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
