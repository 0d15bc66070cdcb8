package fetch

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"gitmirror/mirror/failure"
)

// Sight is what is seen of a fetch that is under way.
type Sight struct {
	Bytes int64     // of packs that have come
	Alone bool      // who fetches is at work, and waits for nobody
	Word  time.Time // when the other side last said something
	Phase Phase     // empty where that is not known
	// Done of All objects are dealt with in this phase; All is 0 where nobody knows.
	Done, All int64
}

// Tells says that a fetch enters a phase: from Checking on it is at work alone.
func (src Source) Tells(seen *Observer, p Phase) {
	seen.enter(p)
	if src.Pace != nil && p == Checking {
		src.Pace(0, true)
	}
	src.tell(seen.now)
}

func (src Source) tell(p Progress) {
	if src.Tell != nil {
		src.Tell(p)
	}
}

// Watch follows a fetch until done is closed, and cancels it when it waits for the other side
// in vain, or brings more than it may. look tells what there is to be seen, and what is wrong
// with it. A fetch that neither receives bytes nor hears anything for stall has waited in vain.
func (src Source) Watch(done <-chan struct{}, cancel context.CancelCauseFunc, stall time.Duration, seen *Observer, look func() (Sight, *failure.Error)) {
	tick := time.NewTicker(min(max(stall/12, 10*time.Millisecond), time.Second))
	defer tick.Stop()
	p := patience{stall: stall, began: time.Now(), gained: time.Now()}
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			s, wrong := look()
			if s.Alone {
				p.gained = now // for as long as that takes
			}
			if src.Pace != nil {
				src.Pace(s.Bytes, s.Alone)
			}
			src.tell(seen.see(now, s))
			if !s.Alone && p.tooLong(now, s.Bytes) {
				cancel(failure.New(failure.Timeout, fmt.Sprintf("the fetch took longer than %d bytes may", s.Bytes), nil))
				return
			}
			if p.stalled(now, s.Bytes, s.Word) {
				cancel(failure.New(failure.Timeout, fmt.Sprintf("the fetch made no progress for %s (%d bytes received)", stall, s.Bytes), nil))
				return
			}
			if err := cmp.Or(src.Limits.exceeded(s.Bytes), wrong, src.Limits.full()); err != nil {
				cancel(err)
				return
			}
		}
	}
}
