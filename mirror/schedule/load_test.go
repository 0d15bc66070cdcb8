package schedule

import (
	"slices"
	"testing"
	"time"
)

// The load is what runs, what waits for a place, since when, and how old checks are.
func TestTheLoadIsWhatIsToBeDone(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	if l := w.Load(); l.Checks != (Line{}) || len(l.Ages) != 0 {
		t.Errorf("with nothing to do: %+v", l)
	}
	for _, id := range []string{"a", "b", "c"} { // two of one host may run
		a := owned(id, "host")
		w.holds(a)
		w.assign(a)
	}
	w.clock.Advance(10 * time.Second)
	if l := w.Load(); l.Checks != (Line{Running: 2, Waiting: 1, Oldest: 10 * time.Second}) || l.Copies != (Line{}) || l.Fetches != (Line{}) || l.Firsts != (Line{}) || len(l.Ages) != 0 {
		t.Errorf("two run and one waits: %+v", l)
	}
	w.unassign("c") // it stands in the line until its turn comes, and waits for nothing
	if l := w.Load(); l.Checks.Waiting != 0 || l.Checks.Oldest != 0 {
		t.Errorf("nobody waits: %+v", l)
	}
	w.end("a", w.checked())
	w.clock.Advance(time.Second)
	w.end("b", w.checked())
	l := w.Load()
	slices.Sort(l.Ages)
	if !slices.Equal(l.Ages, []time.Duration{0, time.Second}) || l.Stale != 0 {
		t.Errorf("checked now and a second ago: %+v", l)
	}
	if stale := w.Stale(); stale != l.Stale {
		t.Errorf("%d are stale, and %d", stale, l.Stale)
	}
}
