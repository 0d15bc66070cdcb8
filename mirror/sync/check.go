package sync

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

// sight is the last answer of an upstream that was dealt with. "Unchanged" means equal to
// what is live, so it counts only for the same url, the same prefixes and the table that
// was live then, and only where that is what was published.
type sight struct {
	fingerprint detect.Fingerprint
	of          uint64 // a hash of url, prefixes and table
}

// held is an answer that was not followed: that is judged again now and then.
type held struct {
	hold *work.Hold
	word uint64
	at   time.Time
}

var seed = maphash.MakeSeed()

// asked is a hash of what an answer is of.
func asked(upstream string, prefixes []string, live refs.Digest) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.WriteString(upstream)
	for _, p := range prefixes {
		_, _ = h.WriteString(" " + p)
	}
	_, _ = h.Write(live[:])
	return h.Sum64()
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
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[keyOf(a.ID)]
	if s.of != asked(upstream, a.Policy.RefPrefixes, live) || live != a.Digest || len(a.Pins) > 0 {
		return 0
	}
	if h := w.held[a.ID]; h != nil && (a.Word > h.word || w.clock.Now().Sub(h.at) > holdAgain) {
		return 0
	}
	return s.fingerprint
}

// holdOn is why the last answer was not followed, nil where it was.
func (w *Worker) holdOn(id string) *work.Hold {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.held[id]; h != nil {
		return h.hold
	}
	return nil
}

// keyOf is what the last answer is kept by: there may be a million, and two that are
// taken for one only have each other's answer parsed.
func keyOf(id string) uint64 { return maphash.String(seed, id) }

// see notes that upstream's answer led to what is live now, or to a hold.
func (w *Worker) see(a work.Assignment, upstream string, f detect.Fingerprint, hold *work.Hold) {
	repo := w.store.Repo(a.ID)
	if repo == nil {
		return
	}
	_, live := repo.Generation()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[keyOf(a.ID)] = sight{fingerprint: f, of: asked(upstream, a.Policy.RefPrefixes, live)}
	if delete(w.held, a.ID); hold != nil {
		w.held[a.ID] = &held{hold, a.Word, w.clock.Now()}
	}
}

// check asks upstream, those of its urls that the task names until one answers, and publishes
// what is new. Where that needs a fetch, and others are under way, it ends, to be made again
// among those that fetch: there it waits for a slot before it asks.
func (w *Worker) check(ctx context.Context, t work.Task) work.Result {
	a := t.Assignment
	asking := ctx
	var held *slot
	if t.Fetch {
		var err error
		_, done := w.fetching(a.ID, source{name: t.Host()})
		held, err = w.fetches.take(ctx, t.Host(), w.isFirst(a), func(bool) {})
		if done(); err != nil {
			return work.Result{Waiting: true}
		}
		defer held.release()
		asking = held
	}
	out := work.Result{Checked: true, CheckedAt: w.clock.Now()}
	var said *failure.Error
	for i, at := range t.Asks() {
		upstream := a.URLs[at]
		if t.Wanted {
			w.upstream.Forget(upstream)
		}
		res, err := w.upstream.Check(asking, upstream, a.Policy.RefPrefixes, w.lastSeen(a, upstream))
		if err == nil {
			w.noteMoved(a.ID, upstream, res.Remote.Moved())
		}
		if err == nil {
			out.Asked = append(out.Asked, work.Asked{URL: at})
		}
		if err == nil && res.Unchanged {
			out.Judged, out.Hold, out.Heard = true, w.holdOn(a.ID), a.Word
			return out
		}
		if err == nil {
			var taken work.Result
			taken, err = w.take(ctx, t, upstreamOf(upstream), res.Remote, res.Advert, held)
			res.Release()
			asking = ctx // the slot has been used
			if errors.Is(err, errNoSlot) {
				return work.Result{Rerun: true, Next: t.Step, Fetch: true, CheckedAt: out.CheckedAt, Asked: out.Asked}
			}
			if err == nil {
				// What was shown has been dealt with only when it is what is live.
				if taken.Failure == nil && !taken.Waiting && len(a.Pins) == 0 { // a pin makes another table of it
					w.see(a, upstream, res.Fingerprint, taken.Hold)
				}
				if taken.Failure == nil && !taken.Waiting {
					taken.Heard = a.Word
				}
				taken.Checked, taken.CheckedAt, taken.Asked = true, out.CheckedAt, out.Asked
				return taken
			}
			if errors.Is(err, refs.ErrDamaged) {
				return w.salvage(a, err)
			}
			out.Asked = out.Asked[:len(out.Asked)-1]
		}
		f := failure.Of(err)
		out.Asked = append(out.Asked, work.Asked{URL: at, Failure: f})
		if i == 0 || t.Probe {
			said = f
		}
		if ctx.Err() != nil {
			break
		}
	}
	out.Failure = said
	return out
}

// isFirst tells whether nothing of a repository is live here.
func (w *Worker) isFirst(a work.Assignment) bool {
	repo := w.store.Repo(a.ID)
	if repo == nil {
		return true
	}
	generation, _ := repo.Generation()
	return generation == 0
}
