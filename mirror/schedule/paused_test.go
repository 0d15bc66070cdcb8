package schedule

import (
	"testing"
	"time"

	"gitmirror/mirror/work"
)

// What is paused is not asked for at its time; who waits for a check gets one, and one alone.
// Afterwards it is due within seconds.
func TestWhatIsPausedIsAskedForWhoWaitsAlone(t *testing.T) {
	w, a := begin(t)
	f := w.at("repo")
	a.Paused = true
	w.assign(a)
	if f.ctx.Err() == nil {
		t.Fatal("a check that nobody waits for goes on")
	}
	if f = w.at("repo"); f == nil || f.task.Ask {
		t.Fatal("the disk is not looked at, or upstream is asked")
	}
	w.end("repo", work.Result{})
	w.advance(time.Hour)
	if st := w.state("repo"); w.ran["repo"] != 2 || st.Stale || !st.NextCheck.IsZero() {
		t.Fatalf("%d runs while it is paused, %+v", w.ran["repo"], st)
	}
	if err := w.Request("repo"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if f := w.at("repo"); f == nil || !f.task.Ask || !f.task.Wanted {
		t.Fatal("a check that was asked for does not begin")
	}
	// There is something to fetch, and no place: it is still asked for.
	w.end("repo", work.Result{Rerun: true, Fetch: true})
	if f := w.at("repo"); f == nil || !f.task.Ask || !f.task.Fetch {
		t.Fatal("and what it found is not fetched")
	}
	w.end("repo", w.checked())
	w.advance(time.Hour)
	if w.at("repo") != nil || w.ran["repo"] != 4 || w.state("repo").Stale {
		t.Fatalf("%d runs: one check was asked for", w.ran["repo"])
	}
	if err := w.Request("repo"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.end("repo", w.checked())
	a.Paused = false
	w.assign(a)
	w.advance(returnWithin)
	if f := w.at("repo"); f == nil || !f.task.Ask {
		t.Error("it goes on, and is not checked")
	}
}

// A check that somebody waits for, and a publish that the log decides about, are not ended by a
// pause, nor the latter by another upstream.
func TestAPauseEndsNothingThatIsWaitedFor(t *testing.T) {
	w, a := begin(t)
	w.end("repo", w.checked())
	if err := w.Request("repo"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	f := w.at("repo")
	a.Paused = true
	w.assign(a)
	if f.ctx.Err() != nil {
		t.Error("a check that somebody waits for has ended")
	}
	w.end("repo", w.checked())

	w, a = begin(t)
	f = w.at("repo")
	w.mu.Lock()
	w.disk["repo"] = Held{Any: true, Generation: 1, Candidate: &work.Generation{Number: 2}}
	w.mu.Unlock()
	a.Paused, a.URLs = true, []string{"https://other/repo"}
	w.assign(a)
	if f.ctx.Err() != nil {
		t.Error("a publish has ended")
	}
}

// A copy that is behind is looked for at holders, and not at upstream, while it is paused.
func TestWhatIsPausedAndBehindAsksHolders(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	w.holds(a)
	a.Generation, a.Digest[0], a.Paused = 2, 1, true
	w.assign(a)
	for range 3 {
		f := w.at("repo")
		if f == nil || f.task.Step != work.AskHolders || f.task.Ask {
			t.Fatalf("a copy that is behind: %+v", f)
		}
		w.end("repo", work.Result{Rerun: true, Next: work.AskUpstream})
		if w.at("repo") != nil {
			t.Fatal("holders are asked without a rest")
		}
		w.advance(retrySeldom * 2)
	}
	if err := w.Request("repo"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.end("repo", work.Result{Rerun: true, Next: work.AskUpstream})
	w.end("repo", work.Result{Rerun: true, Next: work.AskUpstream})
	if f := w.at("repo"); f == nil || f.task.Step != work.AskUpstream {
		t.Error("who waits for it has upstream asked in vain")
	}
}

// Another upstream is asked at once, and a check of the one before ends.
func TestAnotherUpstreamIsAskedAtOnce(t *testing.T) {
	w, a := begin(t)
	f := w.at("repo")
	a.URLs = []string{"https://other/repo"}
	w.assign(a)
	if f.ctx.Err() == nil {
		t.Error("the one before is still asked")
	}
	if f = w.at("repo"); f == nil || !f.task.Ask || !f.task.Wanted || f.task.Host() != "other" {
		t.Error("the other one is not")
	}
}

// A pause that a run hears of when it begins, before it was said here, counts for it.
func TestAPauseIsHeardOfByARunThatBegins(t *testing.T) {
	w, a := begin(t)
	w.end("repo", w.checked())
	for _, behind := range []bool{false, true} {
		a.Paused = true
		if behind {
			a.Generation, a.Digest[0] = 2, 1
			said := a
			said.Paused = false
			w.assign(said)
			w.end("repo", work.Result{Rerun: true, Next: work.AskUpstream})
			if f := w.at("repo"); f == nil || f.task.Step != work.AskUpstream {
				t.Fatal("who is behind does not ask upstream")
			}
			w.end("repo", work.Result{Rerun: true, Next: work.AskUpstream})
			if w.at("repo") != nil {
				w.end("repo", work.Result{Waiting: true, Next: work.AskUpstream})
			}
		}
		w.mu.Lock()
		w.assigned["repo"] = a // the table has it
		w.mu.Unlock()
		w.advance(time.Minute * 2)
		if f := w.at("repo"); f != nil && (f.task.Ask || f.task.Step == work.AskUpstream) {
			t.Errorf("upstream is asked: %+v", f.task)
		} else if f != nil {
			w.end("repo", work.Result{})
		}
	}
}

// A word that was not heard when the node stopped, or by the owner before, is heard at once by whoever comes, also
// of what is paused and not due for hours.
func TestAWordIsHeardByWhoComes(t *testing.T) {
	for _, paused := range []bool{false, true} {
		for name, come := range map[string]func(w *world, a work.Assignment){
			"a start": func(w *world, a work.Assignment) { w.assign(a) },
			"another owner": func(w *world, a work.Assignment) {
				was := a
				was.Role, was.Word = work.Replica, 0
				w.assign(was)
				a.Epoch++
				w.assign(a)
			},
		} {
			for word := range uint64(2) {
				w := newWorld()
				t.Cleanup(w.stop)
				a := owned("repo", "host")
				a.Policy.Interval, a.Paused, a.Word = 6*time.Hour, paused, word
				w.holds(a)
				w.memory["repo"] = work.Due{NextCheck: w.clock.Now().Add(5 * time.Hour)}
				come(w, a)
				if f := w.at("repo"); (f != nil && f.task.Ask && f.task.Wanted) != (word > 0) {
					t.Errorf("%s, paused %v, word %d: %+v", name, paused, word, f)
				}
			}
		}
	}
}

// A word is for who owns it: others ask no upstream.
func TestAWordIsNotHeardByAReplica(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	a.Role, a.Word = work.Replica, 1
	w.holds(a)
	w.assign(a)
	w.settle()
	if f := w.at("repo"); f != nil && (f.task.Ask || f.task.Wanted) {
		t.Errorf("%+v", f.task)
	}
}
