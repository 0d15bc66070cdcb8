package lister

import (
	"context"
	"fmt"
	"time"

	"gitmirror/fsm"
	"gitmirror/internal/clock"
)

// ask is that somebody wants an index to be asked for now. It is in the table until the source is
// listed after it, so that it is not forgotten with the node that heard it.
type ask struct {
	again uint64
	done  chan struct{} // closed
	well  bool          // once it is
}

// askBound is how long an index's upstream may take: then what is there is read.
const askBound = time.Minute

// unasked tells whether nobody knows that what is there of a new source's index is still what its upstream has: it
// was mirrored before, for somebody else.
func unasked(src *fsm.Source, row *fsm.Repo) bool {
	return src.Listed == nil && row.ChangedAt().Before(src.AddedAt)
}

// notUpstreams is why nothing new is read from an index whose upstream shows something else, or nothing.
func notUpstreams(row *fsm.Repo) error {
	switch {
	case row.Hold != nil:
		return fmt.Errorf("what is there of its index was mirrored before, and its upstream shows something else by now, which is held: gitmirror repo approve %s", row.Name)
	case row.Error != nil:
		return fmt.Errorf("what is there of its index was mirrored before, and its upstream cannot be asked whether it is still so: gitmirror repo show %s", row.Name)
	}
	return ErrNotYet // which of them it is was not told yet
}

// asking has the upstream of a source's index asked where somebody wants that, and where nothing of it was read yet
// and is old. It tells whether it is still being asked.
func (l *Lister) asking(ctx context.Context, src *fsm.Source, row *fsm.Repo) bool {
	if !unasked(src, row) && src.Listed.GetAgain() == src.Again {
		delete(l.asked, src.ID)
		return false
	}
	a := l.asked[src.ID]
	if a == nil || a.again != src.Again {
		a = &ask{again: src.Again, done: make(chan struct{})}
		l.asked[src.ID] = a
		go func() {
			bound, cancel := context.WithTimeout(ctx, askBound)
			defer cancel()
			for { // one that was given to this node just now may not be here yet
				well, err := l.cfg.Indexes.Sync(bound, row.ID)
				if a.well = well; err == nil {
					break
				}
				if alone, _ := l.alone(); alone || clock.Sleep(bound, clock.System, firstPause) != nil {
					l.log.Debug("the upstream of an index is not asked", "source", src.Name)
					break
				}
			}
			close(a.done)
			select {
			case l.answers <- struct{}{}:
			default:
			}
		}()
	}
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}
