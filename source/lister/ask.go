package lister

import (
	"context"
	"time"

	"gitmirror/fsm"
	"gitmirror/internal/clock"
)

// ask is that somebody wants an index to be asked for now. It is in the table until the source is
// listed after it, so that it is not forgotten with the node that heard it.
type ask struct {
	again uint64
	done  chan struct{} // closed
}

// askBound is how long an index's upstream may take: then what is there is read.
const askBound = time.Minute

// asking has the upstream of a source's index asked where somebody wants that, and tells whether it is
// still being asked.
func (l *Lister) asking(ctx context.Context, src *fsm.Source, row *fsm.Repo) bool {
	if src.Listed == nil || src.Listed.GetAgain() == src.Again {
		delete(l.asked, src.ID)
		return false
	}
	a := l.asked[src.ID]
	if a == nil || a.again != src.Again {
		a = &ask{src.Again, make(chan struct{})}
		l.asked[src.ID] = a
		go func() {
			bound, cancel := context.WithTimeout(ctx, askBound)
			defer cancel()
			for l.cfg.Indexes.Sync(bound, row.ID) != nil { // one that was given to this node just now may not be here yet
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
