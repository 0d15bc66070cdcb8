package sync

import (
	"testing"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/testlog"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// A hold is judged again after ten minutes though upstream shows the same, and at once when
// a person has said something.
func TestHoldIsJudgedAgain(t *testing.T) {
	s, err := store.Open(store.Config{Dir: t.TempDir(), StartID: "run", Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := s.Ensure("REPO0", "r0")
	if err != nil {
		t.Fatal(err)
	}
	table := &refs.Table{Generation: 1, Candidate: "c"}
	if err := repo.Prepare(table, nil); err != nil {
		t.Fatal(err)
	}
	if ok, err := repo.Activate(1, table.Digest()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	w := New(Config{Clock: clock.System, Store: s, Fetches: 1})
	a := work.Assignment{ID: "REPO0", Name: "r0", Generation: 1}
	_, a.Digest = repo.Generation()
	for name, c := range map[string]struct {
		hold *work.Hold
		age  time.Duration
		word uint64
		pins []work.Pin
		same bool // as it was seen last
	}{
		"no hold":                  {nil, time.Hour, 0, nil, true},
		"no hold, and a word":      {nil, time.Minute, 1, nil, true},
		"a hold":                   {&work.Hold{}, 9 * time.Minute, 0, nil, true},
		"a hold for long":          {&work.Hold{}, 11 * time.Minute, 0, nil, false},
		"a hold, and a word":       {&work.Hold{}, time.Minute, 1, nil, false},
		"no hold, but what stays":  {nil, time.Minute, 0, []work.Pin{{Ref: "refs/heads/x"}}, false},
		"another table than it is": {nil, time.Minute, 0, nil, false},
	} {
		w.see(a, "up", 7, c.hold)
		if h := w.held[a.ID]; h != nil {
			h.at = h.at.Add(-c.age)
		}
		now := a
		now.Word, now.Pins = c.word, c.pins
		if name == "another table than it is" {
			now.Digest[0]++
		}
		if got := w.lastSeen(now, "up"); (got == 7) != c.same {
			t.Errorf("%s: last seen %d", name, got)
		}
	}
	// What it is an answer of counts: two prefixes are not the one they spell together.
	a.Policy.RefPrefixes = []string{"refs/heads/", "refs/tags/"}
	w.see(a, "up", 7, nil)
	if w.lastSeen(a, "up") != 7 || w.lastSeen(a, "other") != 0 {
		t.Error("an answer of another upstream")
	}
	for _, prefixes := range [][]string{nil, {"refs/heads/"}, {"refs/heads/refs/tags/"}} {
		other := a
		other.Policy.RefPrefixes = prefixes
		if w.lastSeen(other, "up") != 0 {
			t.Errorf("an answer with other prefixes counts with %q", prefixes)
		}
	}
	w.Forget(a.ID)
	if w.lastSeen(a, "up") != 0 {
		t.Error("it is not forgotten")
	}
}
