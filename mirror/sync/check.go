package sync

import (
	"context"
	"errors"
	"strings"
	"time"

	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

// sight is an answer of an upstream that was dealt with, and the table that was
// live when it had been. "Unchanged" means equal to what is live, so it counts
// only for the same url, the same prefixes and that table, and only where that is
// what was published.
type sight struct {
	fingerprint detect.Fingerprint
	prefixes    string
	live        refs.Digest
	hold        *work.Hold // it was not followed: that is judged again now and then
	word        uint64
	at          time.Time
}

// holdAgain is how often what is held is judged again while upstream shows the same:
// what was lost before may be longer ago than a day.
const holdAgain = 10 * time.Minute

// lastSeen is the fingerprint with which an upstream would be unchanged, zero for
// none.
func (w *Worker) lastSeen(a work.Assignment, upstream string) detect.Fingerprint {
	repo := w.store.Repo(a.ID)
	if repo == nil {
		return 0
	}
	_, live := repo.Generation()
	s := w.sightOf(a.ID, upstream)
	if s.prefixes != strings.Join(a.Policy.Prefixes, " ") || s.live != live || live != a.Digest {
		return 0
	}
	if len(a.Pins) > 0 || s.hold != nil && (a.Word > s.word || w.clock.Now().Sub(s.at) > holdAgain) {
		return 0
	}
	return s.fingerprint
}

func (w *Worker) sightOf(id, upstream string) sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[id][upstream]
}

// see notes that upstream's answer led to what is live now, or to a hold.
func (w *Worker) see(a work.Assignment, upstream string, f detect.Fingerprint, hold *work.Hold) {
	repo := w.store.Repo(a.ID)
	if repo == nil {
		return
	}
	_, live := repo.Generation()
	s := sight{f, strings.Join(a.Policy.Prefixes, " "), live, hold, a.Word, w.clock.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[a.ID] == nil {
		w.seen[a.ID] = map[string]sight{}
	}
	w.seen[a.ID][upstream] = s
}

// check asks upstream, its urls in order until one answers, and publishes what
// is new.
func (w *Worker) check(ctx context.Context, t work.Task) work.Result {
	a := t.Assignment
	out := work.Result{Checked: true, CheckedAt: w.clock.Now()}
	var first *failure.Error
	for _, upstream := range a.URLs {
		res, err := w.upstream.Check(ctx, upstream, a.Policy.Prefixes, w.lastSeen(a, upstream))
		if err == nil && res.Unchanged {
			out.Judged, out.Hold, out.Heard = true, w.sightOf(a.ID, upstream).hold, a.Word
			return out
		}
		if err == nil {
			var taken work.Result
			taken, err = w.take(ctx, t, res.Base, res.Advert)
			res.Release()
			if err == nil {
				// What was shown has been dealt with only when it is what is live.
				if taken.Failure == nil && !taken.Waiting && len(a.Pins) == 0 { // a pin makes another table of it
					w.see(a, upstream, res.Fingerprint, taken.Hold)
				}
				if taken.Failure == nil && !taken.Waiting {
					taken.Heard = a.Word
				}
				taken.Checked, taken.CheckedAt = true, out.CheckedAt
				return taken
			}
			if errors.Is(err, refs.ErrDamaged) {
				return w.salvage(a, err)
			}
		}
		if first == nil {
			first = failure.Of(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	out.Failure = first
	return out
}
