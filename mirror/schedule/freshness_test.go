package schedule

import (
	"testing"
	"time"

	"gitmirror/mirror/work"
)

// How new things are is counted of what is owned here and not paused, and how long changes had
// been there of those that came since the check before.
func TestFreshness(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	for id, paused := range map[string]bool{"a": false, "b": false, "paused": true} {
		a := owned(id, id)
		a.Paused = paused
		w.holds(a)
		w.assign(a)
	}
	replica := owned("replica", "host")
	replica.Role = work.Replica
	w.holds(replica)
	w.assign(replica)
	if f := w.Freshness(); f.Ages.N != 0 || f.Unknown != 2 {
		t.Errorf("before the first checks: %+v", f)
	}
	w.end("a", w.checked())
	w.end("b", w.checked())
	began := w.clock.Now()
	w.advance(time.Minute)
	if f := w.Freshness(); f.Ages.N != 2 || f.Unknown != 0 || f.Ages.Most != time.Minute || f.Lags.N != 0 {
		t.Errorf("a minute later: %+v", f)
	}
	changed := w.checked()
	changed.Changed = true
	changed.Commits = []time.Time{began.Add(50 * time.Second), began.Add(-time.Hour), began.Add(time.Hour)}
	w.end("a", changed)
	if f := w.Freshness(); f.Lags.N != 3 || f.Lags.Most != time.Minute || f.Lags.Share(0.1) > 2*time.Millisecond || f.Ages.Share(0.5) > time.Second {
		t.Errorf("after a change: %+v", f)
	}
	w.end("b", w.checked())
	for passed := time.Duration(0); passed < 3*lagsOver; passed += time.Minute {
		w.advance(time.Minute)
		for _, id := range []string{"a", "b"} {
			if w.at(id) != nil {
				w.end(id, w.checked())
			}
		}
	}
	changed = w.checked()
	changed.Changed = true
	changed.Commits = []time.Time{w.clock.Now()}
	for w.at("a") == nil {
		w.advance(time.Second)
	}
	w.end("a", changed)
	if f := w.Freshness(); f.Lags.N != 1 {
		t.Errorf("days later %d changes are counted", f.Lags.N)
	}
}

// Changes of which it is not known how long they had been there are no lags: a history that is
// learned, and what the first check of all has brought.
func TestWhatWasThereBeforeIsNoLag(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	changed := func(learned bool) work.Result {
		out := w.checked()
		out.Changed, out.Learned = true, learned
		out.Commits = []time.Time{w.clock.Now().Add(-24 * time.Hour), w.clock.Now().Add(-time.Second)}
		return out
	}
	for _, a := range []work.Assignment{owned("fixed", "host"), learns("learned", "host")} {
		w.holds(a)
		w.assign(a)
	}
	w.end("fixed", changed(false))
	w.end("learned", w.checked()) // what it had could not be read
	w.advance(w.wait("learned"))
	if f := w.at("learned"); f == nil || !f.task.Learn {
		t.Fatal("its history is not asked for")
	}
	w.end("learned", changed(true))
	if f := w.Freshness(); f.Lags.N != 0 {
		t.Errorf("%d changes lag by %s at most", f.Lags.N, f.Lags.Most)
	}
}
