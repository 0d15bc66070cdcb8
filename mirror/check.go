package mirror

import (
	"context"
	"errors"
	"strings"
	"time"

	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

// now is the engine's clock.
func (e *Engine) now() time.Time { return time.Now() }

// sight is an answer of an upstream that was dealt with, and the table that was
// live when it had been. "Unchanged" means equal to what is live, so it counts
// only for the same url, the same prefixes and that table, and only where that is
// what was published.
type sight struct {
	fingerprint detect.Fingerprint
	prefixes    string
	live        refs.Digest
	hold        *Hold // it was not followed: that is judged again now and then
	word        uint64
	at          time.Time
}

// holdAgain is how often what is held is judged again while upstream shows the same:
// what was lost before may be longer ago than a day.
const holdAgain = 10 * time.Minute

// lastSeen is the fingerprint with which an upstream would be unchanged, zero for
// none.
func (e *Engine) lastSeen(j *job, a Assignment, upstream string) detect.Fingerprint {
	repo := e.store.Repo(a.ID)
	if repo == nil {
		return 0
	}
	_, live := repo.Generation()
	s := j.seen[upstream]
	if s.prefixes != strings.Join(a.Policy.Prefixes, " ") || s.live != live || live != a.Digest {
		return 0
	}
	if len(a.Pins) > 0 || s.hold != nil && (a.Word > s.word || e.now().Sub(s.at) > holdAgain) {
		return 0
	}
	return s.fingerprint
}

// see notes that upstream's answer led to what is live now, or to a hold.
func (e *Engine) see(j *job, a Assignment, upstream string, f detect.Fingerprint, hold *Hold) {
	repo := e.store.Repo(a.ID)
	if repo == nil {
		return
	}
	if j.seen == nil {
		j.seen = map[string]sight{}
	}
	_, live := repo.Generation()
	j.seen[upstream] = sight{f, strings.Join(a.Policy.Prefixes, " "), live, hold, a.Word, e.now()}
}

// check asks upstream, its urls in order until one answers, and publishes what
// is new.
func (e *Engine) check(ctx context.Context, j *job, r *run) outcome {
	a := r.a
	out := outcome{checked: true, checkedAt: e.now()}
	var first *failure.Error
	for _, upstream := range a.URLs {
		res, err := e.detect.Check(ctx, upstream, a.Policy.Prefixes, e.lastSeen(j, a, upstream))
		if err == nil && res.Unchanged {
			out.judged, out.Hold, out.Heard = true, j.seen[upstream].hold, a.Word
			return out
		}
		if err == nil {
			var taken outcome
			taken, err = e.take(ctx, j, r, res.Base, res.Advert)
			res.Release()
			if err == nil {
				// What was shown has been dealt with only when it is what is live.
				if taken.Failure == nil && !taken.waiting && len(a.Pins) == 0 { // a pin makes another table of it
					e.see(j, a, upstream, res.Fingerprint, taken.Hold)
				}
				if taken.Failure == nil && !taken.waiting {
					taken.Heard = a.Word
				}
				taken.checked, taken.checkedAt = true, out.checkedAt
				return taken
			}
			if errors.Is(err, refs.ErrDamaged) {
				return e.salvage(a, err)
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
