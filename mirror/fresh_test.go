package mirror_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// Who was told of a push gets it, whatever the interval is, and who comes with it shares the
// check; who is content with what was checked before has nobody asked.
func TestWhoWasToldOfAPushGetsIt(t *testing.T) {
	up, b, n := mirrored(t)
	b.policy("repox", func(p *mirror.Policy) { p.Interval = 100 * time.Hour })
	r, err := up.Repo("x.git")
	if err != nil {
		t.Fatal(err)
	}
	for generation := uint64(2); generation < 4; generation++ {
		before := time.Now()
		gittest.Edit(t, r, func(e *upstream.Edit) {
			e.Commit("main", "more", map[string]string{"pushed": string(rune('a' + generation))})
		})
		after := time.Time{}
		if generation == 3 {
			after = time.Now()
		}
		got, err := n.engine.Fresh(t.Context(), "repox", after)
		if err != nil || got != generation || n.generation("repox") != generation {
			t.Fatalf("generation %d (here %d): %v, want %d", got, n.generation("repox"), err, generation)
		}
		var asked atomic.Int64
		up.Intercept(func(http.ResponseWriter, *http.Request) bool { asked.Add(1); return false })
		if got, err := n.engine.Fresh(t.Context(), "repox", before); err != nil || got != generation || asked.Load() != 0 {
			t.Errorf("generation %d, upstream asked %d times: %v", got, asked.Load(), err)
		}
		up.Intercept(nil)
	}
	s, _ := n.engine.Status("repox")
	if age := time.Since(s.AsOf); age < 0 || age > time.Minute {
		t.Errorf("as of %s", s.AsOf)
	}
}

// Of a time that is still to come, upstream is asked once, when it has come.
func TestAWishForWhatIsToComeAsksOnce(t *testing.T) {
	up, b, n := mirrored(t)
	b.policy("repox", func(p *mirror.Policy) { p.Interval = 100 * time.Hour })
	var asked atomic.Int64
	up.Intercept(func(http.ResponseWriter, *http.Request) bool { asked.Add(1); return false })
	after := time.Now().Add(3 * time.Second)
	if _, err := n.engine.Fresh(t.Context(), "repox", after); err != nil || time.Now().Before(after) || asked.Load() > 2 {
		t.Errorf("%v, and upstream was asked %d times", err, asked.Load())
	}
}

// What cannot be said to be new is not said to be.
func TestWhatCannotBeCheckedIsNotFresh(t *testing.T) {
	up, _, n := mirrored(t)
	var not *mirror.NotFreshError
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	if _, err := n.engine.Fresh(t.Context(), "repox", time.Time{}); !errors.As(err, &not) {
		t.Errorf("upstream is gone: %v", err)
	} else if s, _ := n.engine.Status("repox"); not.Again <= 0 || not.Again > time.Until(s.NextCheck)+time.Minute {
		t.Errorf("upstream is gone, and asked again in %s", not.Again)
	}
	var asked atomic.Int64
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		asked.Add(1)
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	for range 2 {
		if _, err := n.engine.Fresh(t.Context(), "repox", time.Time{}); !errors.As(err, &not) {
			t.Errorf("upstream is asked for too much: %v", err)
		} else if not.Again < 500*time.Second {
			t.Errorf("its host wants to be left alone for 600 s, and %s are told", not.Again)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("a host that wants to be left alone was asked %d times", asked.Load())
	}
	up.Intercept(nil)
	if _, err := n.engine.Fresh(t.Context(), "other", time.Time{}); !errors.Is(err, mirror.ErrNotOwner) {
		t.Errorf("what is not owned here: %v", err)
	}
}

// What is held is not said to be new, and who reads has upstream asked once a second at most.
func TestWhoReadsAsksSeldomAndInVainWhereItIsHeld(t *testing.T) {
	up, b, n := mirrored(t)
	b.policy("repox", func(p *mirror.Policy) { p.Interval = 100 * time.Hour })
	var asked atomic.Int64
	up.Intercept(func(http.ResponseWriter, *http.Request) bool { asked.Add(1); return false })
	began := time.Now()
	for range 3 {
		if _, err := n.engine.Fresh(t.Context(), "repox", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("three readers had upstream asked within %s", took)
	}
	r, err := up.Repo("x.git")
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Git("for-each-ref", "--format=delete %(refname)")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(out, "\n") {
		if _, err := r.Git("update-ref", "-d", strings.TrimPrefix(line, "delete ")); err != nil {
			t.Fatal(err)
		}
	}
	var not *mirror.NotFreshError
	if _, err := n.engine.Fresh(t.Context(), "repox", time.Time{}); !errors.As(err, &not) || !strings.Contains(err.Error(), "held") {
		t.Errorf("it is held: %v", err)
	}
}

// Of what has long not been there it is said at once, and nobody is asked.
func TestWhatIsParkedIsSaidAtOnce(t *testing.T) {
	up, b, n := mirrored(t)
	n.stop()
	state, err := store.OpenState(store.Config{Dir: n.dir, Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	state.Remember("repox", work.Due{LastCheck: time.Now(), NextCheck: time.Now().Add(time.Hour), Failures: 9, Refused: 9, RefusedSince: time.Now().Add(-9 * time.Hour)})
	if err := errors.Join(state.Flush(), state.Close()); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	again := startNode(t, b, n.dir)
	b.mu.Lock()
	again.roles["repox"] = mirror.Owner
	b.mu.Unlock()
	b.tell()
	if out, err := again.engine.Sync(t.Context(), "repox"); err != nil || out.Failure == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	before := asked.Load()
	var not *mirror.NotFreshError
	if _, err := again.engine.Fresh(t.Context(), "repox", time.Time{}); !errors.As(err, &not) || !strings.Contains(err.Error(), "long said") || asked.Load() != before {
		t.Errorf("upstream was asked %d times: %v", asked.Load()-before, err)
	}
}

// A copy that is behind what was published is not as new as the check that found that.
func TestWhatIsBehindIsNotFresh(t *testing.T) {
	_, b, n := mirrored(t)
	b.policy("repox", func(p *mirror.Policy) { p.Interval = 100 * time.Hour })
	before := time.Now()
	if got, err := n.engine.Fresh(t.Context(), "repox", before); err != nil || got != 1 {
		t.Fatalf("generation %d, %v", got, err)
	}
	b.mu.Lock()
	row := b.rows["repox"]
	row.Generation, row.Digest = 2, refs.Digest{1}
	b.rows["repox"] = row
	b.mu.Unlock()
	b.tell() // of a generation that nobody has: it is lost, and what upstream shows is the next one
	if got, err := n.engine.Fresh(t.Context(), "repox", before); err != nil || got != 3 {
		t.Errorf("generation %d, %v", got, err)
	}
}
