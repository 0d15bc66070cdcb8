package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// begin is a world in which one repository, owned and here, is being checked.
func begin(t *testing.T) (*world, work.Assignment) {
	t.Helper()
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	w.holds(a)
	w.assign(a)
	if w.at("repo") == nil {
		t.Fatal("it does not run")
	}
	return w, a
}

func (w *world) state(id string) State { st, _ := w.State(id); return st }

// Whatever comes during a run has one more run follow it, however often it came.
func TestAKickDuringARunRunsOnceMore(t *testing.T) {
	w, _ := begin(t)
	for range 3 {
		w.Kick("repo")
	}
	w.end("repo", w.checked())
	if w.ran["repo"] != 2 || w.at("repo") == nil {
		t.Fatalf("%d runs", w.ran["repo"])
	}
	w.end("repo", w.checked())
	if w.at("repo") != nil || w.state("repo").Phase != Queued {
		t.Errorf("and then it is %s", w.state("repo").Phase)
	}
}

// A check that was requested is one that began afterwards; all who ask meanwhile share it.
func TestARequestedCheckBeginsAfterwards(t *testing.T) {
	w, _ := begin(t)
	said := make(chan error, 2)
	for range 2 {
		go func() { _, err := w.Check(context.Background(), "repo"); said <- err }()
	}
	for len(w.waitersOf("repo")) < 2 {
		runtime.Gosched()
	}
	w.end("repo", w.checked())
	select {
	case <-said:
		t.Fatal("answered by a check that had begun before")
	default:
	}
	if f := w.at("repo"); f == nil || !f.task.Ask {
		t.Fatal("no check begins")
	}
	w.end("repo", w.checked())
	for range 2 {
		if err := <-said; err != nil {
			t.Error(err)
		}
	}
	w.unassign("repo")
	if err := w.Request("repo"); !errors.Is(err, ErrNotOwner) {
		t.Errorf("what is not assigned: %v", err)
	}
}

// A check that somebody asked for is known as such, and only that.
func TestACheckThatIsWantedSaysSo(t *testing.T) {
	w, _ := begin(t)
	for i := range 3 {
		if f := w.at("repo"); f.task.Wanted != (i == 1) {
			t.Errorf("check %d is wanted: %v", i, f.task.Wanted)
		}
		w.end("repo", w.checked())
		if i == 0 {
			if err := w.Request("repo"); err != nil {
				t.Fatal(err)
			}
			w.settle()
		} else {
			w.advance(2 * time.Minute)
		}
	}
}

func (w *world) waitersOf(id string) []chan<- answer {
	w.Scheduler.mu.Lock()
	defer w.Scheduler.mu.Unlock()
	return w.waiters[w.repos[id]]
}

// A run whose assignment has changed ends; what it says then counts for nothing, and
// another begins.
func TestACancelledRunsResultDoesNotCount(t *testing.T) {
	for name, change := range map[string]func(*work.Assignment){
		"epoch":      func(a *work.Assignment) { a.Epoch++ },
		"generation": func(a *work.Assignment) { a.Generation++ },
		"digest":     func(a *work.Assignment) { a.Digest[0]++ },
		"role":       func(a *work.Assignment) { a.Role = work.Replica },
	} {
		t.Run(name, func(t *testing.T) {
			w, a := begin(t)
			change(&a)
			w.assign(a)
			if st := w.state("repo"); st.Checked || st.Broken || !st.LastCheck.IsZero() {
				t.Errorf("it counted: %+v", st)
			}
			if w.ran["repo"] != 2 {
				t.Errorf("%d runs", w.ran["repo"])
			}
		})
	}
	t.Run("what it shows itself", func(t *testing.T) {
		w, a := begin(t)
		a.Generation++
		w.holds(a)
		w.assign(a)
		if w.ran["repo"] != 1 || w.at("repo") == nil {
			t.Error("its own publish has ended it")
		}
	})
	t.Run("what it fetches", func(t *testing.T) {
		w, a := begin(t)
		w.mu.Lock()
		w.disk["repo"] = Held{Any: true, Fetching: true}
		w.mu.Unlock()
		a.Generation++
		w.assign(a)
		if w.ran["repo"] != 1 || w.at("repo") == nil {
			t.Error("a fetch that is needed all the same was ended")
		}
	})
}

// What is unassigned ends, is not started again, and is forgotten; Remove waits for it.
func TestUnassignedIsForgotten(t *testing.T) {
	w, a := begin(t)
	w.unassign("repo")
	if _, known := w.State("repo"); known || w.at("repo") != nil {
		t.Error("it is known")
	}
	w.advance(24 * time.Hour)
	w.assign(a)
	if err := w.Remove(t.Context(), "repo"); err != nil {
		t.Fatal(err)
	}
	if _, known := w.State("repo"); known || w.at("repo") != nil || len(w.memory) > 0 {
		t.Errorf("it runs, or something is remembered: %v", w.memory)
	}
	if w.ran["repo"] != 2 {
		t.Errorf("%d runs, want one for each time it was assigned", w.ran["repo"])
	}
}

// An assignment that says what the last one did has nothing tried sooner.
func TestTheSameAssignmentChangesNothing(t *testing.T) {
	w, a := begin(t)
	w.end("repo", work.Result{Waiting: true})
	next, _ := w.clock.Next()
	for range 10 {
		w.assign(a)
	}
	if now, _ := w.clock.Next(); w.ran["repo"] != 1 || now != next {
		t.Errorf("%d runs, the next at %s, and before at %s", w.ran["repo"], now, next)
	}
}

// Whoever waits for a check hears from one that was made, however many runs end before
// that without; or that there is nothing to wait for any more.
func TestWhoeverWaitsIsAnswered(t *testing.T) {
	asked := func(t *testing.T) (*world, work.Assignment, <-chan error) {
		w, a := begin(t)
		w.end("repo", w.checked())
		said := make(chan error, 1)
		go func() { _, err := w.Check(context.Background(), "repo"); said <- err }()
		for w.at("repo") == nil {
			runtime.Gosched()
		}
		return w, a, said
	}
	unanswered := func(t *testing.T, said <-chan error) {
		t.Helper()
		select {
		case err := <-said:
			t.Fatalf("answered: %v", err)
		default:
		}
	}
	t.Run("by the run after one that only reconciled", func(t *testing.T) {
		w, _, said := asked(t)
		w.end("repo", work.Result{})
		unanswered(t, said)
		w.end("repo", w.checked())
		if err := <-said; err != nil {
			t.Error(err)
		}
	})
	t.Run("by the run after one that was overtaken", func(t *testing.T) {
		w, a, said := asked(t)
		a.Generation++
		w.assign(a)
		unanswered(t, said)
		w.end("repo", w.checked())
		if err := <-said; err != nil {
			t.Error(err)
		}
	})
	t.Run("when it is unassigned", func(t *testing.T) {
		w, _, said := asked(t)
		w.unassign("repo")
		if err := <-said; !errors.Is(err, ErrNotOwner) {
			t.Error(err)
		}
	})
	t.Run("when it is unassigned before it runs", func(t *testing.T) {
		w, _ := begin(t)
		for _, id := range []string{"other", "third"} { // the third has no place
			a := owned(id, "host")
			w.holds(a)
			w.assign(a)
		}
		said := make(chan error, 1)
		go func() { _, err := w.Check(context.Background(), "third"); said <- err }()
		for len(w.waitersOf("third")) == 0 {
			runtime.Gosched()
		}
		w.unassign("third")
		if err := <-said; !errors.Is(err, ErrNotOwner) {
			t.Error(err)
		}
	})
}

// What was asked of an owner is not done by a replica.
func TestWhatWasAskedOfAnOwnerEndsWithIt(t *testing.T) {
	w, a := begin(t)
	w.end("repo", w.checked())
	for range 2 { // one is under way, and one is to follow
		if err := w.Request("repo"); err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	a.Role = work.Replica
	w.assign(a)
	if f := w.at("repo"); f != nil && f.task.Ask {
		t.Error("a replica is to ask upstream")
	}
}

// A host whose checks hang has its places, and its queue holds up nobody else's. Its own
// are served in the order they came.
func TestAHostThatHangsDelaysOnlyItsOwn(t *testing.T) {
	w := newWorld(func(c *Config) { c.Checks, c.ChecksPerHost = 12, 2 })
	t.Cleanup(w.stop)
	for i := range 100 {
		a := owned(fmt.Sprintf("hangs%02d", i), "evil")
		w.holds(a)
		w.assign(a)
	}
	for host := range 5 {
		for i := range 2 {
			a := owned(fmt.Sprintf("well%d-%d", host, i), fmt.Sprint("host", host))
			w.holds(a)
			w.assign(a)
			if w.at(a.ID) == nil {
				t.Errorf("%s waits", a.ID)
			}
		}
	}
	if n := w.phases(); n[Running] != 12 || n[Waiting] != 98 {
		t.Errorf("phases: %v", n)
	}
	for i := range 98 {
		w.end(fmt.Sprintf("hangs%02d", i), w.checked())
		if next := fmt.Sprintf("hangs%02d", i+2); w.at(next) == nil {
			t.Fatalf("%s is not the next", next)
		}
	}
	if len(w.wrong) > 0 {
		t.Error(w.wrong)
	}
}

// However many of a host's repositories fetch, or wait to, the others are asked, and those
// that are here fetch while the first copies of an import are made.
func TestNoCheckWaitsForAFetch(t *testing.T) {
	w := newWorld(func(c *Config) { c.Checks, c.Fetches, c.ChecksPerHost = 3, 4, 2 })
	t.Cleanup(w.stop)
	fetching := 0
	for i := range 20 {
		a := owned(fmt.Sprintf("new%02d", i), "host")
		a.Generation = 0
		w.assign(a)
		if f := w.at(a.ID); f == nil || f.kind != "asks" {
			t.Fatalf("%s is not asked", a.ID)
		}
		if w.fetch(a.ID) {
			fetching++
		}
	}
	if n := w.phases(); fetching != 2 || n[Running] != 2 || n[Waiting] != 18 {
		t.Errorf("%d fetch: %v", fetching, n)
	}
	for i := range 5 {
		a := owned(fmt.Sprintf("here%d", i), "host")
		w.holds(a)
		w.assign(a)
		if w.at(a.ID) == nil {
			t.Fatalf("%s is not asked", a.ID)
		}
		if i == 0 && !w.fetch(a.ID) {
			t.Error("a copy that is here waits for first ones")
		} else if i > 0 {
			w.end(a.ID, w.checked())
		}
	}
	for i := range 20 {
		id := fmt.Sprintf("new%02d", i)
		if f := w.at(id); f == nil || f.task.Fetch != (i >= 2) || i >= 2 && !f.task.Ask {
			t.Fatalf("%s has no turn: %+v", id, f)
		}
		w.end(id, w.checked())
	}
	if len(w.wrong) > 0 {
		t.Error(w.wrong)
	}
}

// Of all hosts together, no more fetch than may.
func TestFetchesAreBounded(t *testing.T) {
	w := newWorld(func(c *Config) { c.Checks, c.Fetches = 9, 2 })
	t.Cleanup(w.stop)
	for i, may := range []bool{true, true, false} {
		a := owned(fmt.Sprint("repo", i), fmt.Sprint("host", i))
		w.holds(a)
		w.assign(a)
		if w.fetch(a.ID) != may {
			t.Errorf("the %d. fetches: %v", i+1, !may)
		}
	}
	w.end("repo0", w.checked())
	if f := w.at("repo2"); f == nil || !f.task.Fetch {
		t.Error("the third has no turn")
	}
}

// Who asked for a check is answered by the run that comes to an end, not by one that found
// no place to fetch; and what is behind goes on with the step it was at.
func TestWhoWaitsToFetchIsStillAskedFor(t *testing.T) {
	w := newWorld(func(c *Config) { c.ChecksPerHost, c.FetchesPerHost = 1, 1 })
	t.Cleanup(w.stop)
	a, b := owned("first", "host"), owned("second", "host")
	w.holds(a)
	w.holds(b)
	w.assign(a)
	if !w.fetch("first") {
		t.Fatal("no place")
	}
	w.assign(b)
	w.end("second", w.checked())
	said := make(chan work.Answer, 1)
	go func() { answer, _ := w.Check(context.Background(), "second"); said <- answer }()
	for w.at("second") == nil {
		runtime.Gosched()
	}
	if w.fetch("second") {
		t.Fatal("two fetch at one host")
	}
	b.Generation++
	w.assign(b) // behind: a holder has what is new
	w.end("first", w.checked())
	w.end("second", work.Result{Rerun: true, Next: work.AskUpstream})
	if f := w.at("second"); f.task.Step != work.AskUpstream || !w.fetch("second") {
		t.Fatalf("%+v", f.task)
	}
	out := w.checked()
	out.Answer.Generation = 7
	w.end("second", out)
	if answer := <-said; answer.Generation != 7 {
		t.Errorf("answered: %+v", answer)
	}
}

// What is assigned again while its removal waits for the run goes on.
func TestAssignedAgainWhileItIsRemoved(t *testing.T) {
	w, a := begin(t)
	w.Scheduler.mu.Lock()
	w.Scheduler.unassign(w.repos["repo"], context.Canceled) // as Remove does, which then waits
	w.Scheduler.mu.Unlock()
	a.Epoch++
	w.assign(a)
	w.settle()
	w.advance(10 * time.Second)
	if st := w.state("repo"); w.ran["repo"] < 2 {
		t.Errorf("an owner that is assigned rests: %+v after %d runs", st, w.ran["repo"])
	}
}

// A replica that waits for a place at peers, and becomes the owner, asks upstream, which
// has places.
func TestAnOwnerDoesNotWaitAmongReplicas(t *testing.T) {
	w := newWorld(func(c *Config) { c.Copies = 1 })
	t.Cleanup(w.stop)
	replica := func(id string) work.Assignment {
		a := owned(id, "host")
		a.Role = work.Replica
		return a
	}
	w.assign(replica("frozen"))
	w.assign(replica("waits"))
	if w.at("frozen") == nil || w.state("waits").Phase != Waiting {
		t.Fatalf("%+v", w.phases())
	}
	a := owned("waits", "host")
	a.Epoch++
	w.holds(a)
	w.assign(a)
	w.advance(6 * time.Second)
	if w.at("waits") == nil {
		t.Fatalf("the new owner is %+v", w.state("waits"))
	}
	w.end("waits", w.checked())
	w.end("frozen", work.Result{})
	if len(w.wrong) > 0 {
		t.Error(w.wrong)
	}
}

// Whoever has a lost generation may be gone for good: it is asked for less and less
// often, and at once when the row names another.
func TestLostGenerationsAreAskedForLessAndLess(t *testing.T) {
	w, a := begin(t)
	a.Policy.Interval = 24 * time.Hour
	a.Lost = []work.Generation{{Number: 1}}
	w.assign(a)
	w.end("repo", w.checked())
	last := time.Duration(0)
	for range 12 {
		f := w.at("repo")
		if f == nil || f.task.Step != work.RecoverLost {
			t.Fatalf("it does not ask: %+v", f)
		}
		asked := w.clock.Now()
		w.end("repo", work.Result{})
		for w.at("repo") == nil {
			next, _ := w.clock.Next()
			w.advance(next.Sub(w.clock.Now()))
		}
		wait := w.clock.Now().Sub(asked)
		if wait < last || wait > recoverSeldom {
			t.Errorf("asked again after %s, and before that after %s", wait, last)
		}
		last = wait
	}
	if last != recoverSeldom {
		t.Errorf("in the end asked every %s, want %s", last, recoverSeldom)
	}
	w.end("repo", work.Result{})
	w.Returned()
	for range 2 {
		w.advance(returnWithin)
		if f := w.at("repo"); f == nil || f.task.Step != work.RecoverLost {
			t.Fatal("it is not asked for soon, and soon again, where a node has returned")
		}
		w.end("repo", work.Result{})
	}
	w.advance(time.Second)
	a.Lost = append(a.Lost, work.Generation{Number: 2})
	w.assign(a)
	if f := w.at("repo"); f == nil || f.task.Step != work.RecoverLost {
		t.Error("another lost generation is not asked for at once")
	}
}

// What a repository's failure leaves in memory is what is shown of it, and not the answer
// that led to it; and its next check waits for as long as the upstream wants.
func TestAFailureThatIsKeptIsSmall(t *testing.T) {
	w, _ := begin(t)
	answer := strings.Repeat("Z", 1<<20)
	f := failure.New(failure.RateLimited, "malformed line "+answer, errors.New(answer))
	f.RetryAfter = 3 * time.Hour
	w.end("repo", work.Result{Checked: true, CheckedAt: w.clock.Now(), Answer: work.Answer{Failure: f}})
	st := w.state("repo")
	if got := st.Failure; got == nil || got.Class != failure.RateLimited || len(got.Message) > 600 || got.Err != nil {
		t.Errorf("kept %.700q", fmt.Sprintf("%+v", got))
	}
	if wait := st.NextCheck.Sub(w.clock.Now()); wait < 3*time.Hour {
		t.Errorf("asked again after %s, it wants three hours", wait)
	}
}

// Nobody asks an upstream after StopChecks; copies go on.
func TestNoChecksAfterStopChecks(t *testing.T) {
	w, a := begin(t)
	w.StopChecks(t.Context())
	w.Kick("repo")
	b := owned("other", "host")
	b.Role = work.Replica
	w.assign(b)
	if w.at("repo") != nil || w.at("other") == nil {
		t.Errorf("checks %v, copies %v", w.at("repo"), w.at("other"))
	}
	_ = a
}

// The scheduler is driven through a quarter of a year in a moment: no check comes early,
// none is missed, and what is down is asked less and less often.
func TestAQuarterOfAYear(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	const hours = 90 * 24
	for i := range 5 {
		a := owned(fmt.Sprint("repo", i), "host")
		a.Policy.Interval = time.Hour
		w.holds(a)
		w.assign(a)
	}
	end := w.clock.Now().Add(hours * time.Hour)
	for w.clock.Now().Before(end) {
		for id := w.any(); id != ""; id = w.any() {
			out := w.checked()
			if id == "repo4" {
				out.Failure = failure.New(failure.NotFound, "gone", nil)
			}
			w.end(id, out)
		}
		next, ok := w.clock.Next()
		if !ok {
			t.Fatal("nothing is to come")
		}
		w.advance(next.Sub(w.clock.Now()))
	}
	for i := range 4 {
		if n := w.ran[fmt.Sprint("repo", i)]; n < hours || n > hours+1 {
			t.Errorf("%d checks in %d hours", n, hours)
		}
	}
	if n := w.ran["repo4"]; n < hours/8 || n > hours/8+10 {
		t.Errorf("what is down was asked %d times, want once in 8 hours", n)
	}
}

// any is a repository that runs, empty for none.
func (w *world) any() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.running {
		return id
	}
	return ""
}

// A run works on the row as it is when it begins; that Assign says the same later is no
// reason to end it. Where there is no row any more, nothing is run.
func TestARunReadsItsRow(t *testing.T) {
	w, a := begin(t)
	w.end("repo", w.checked())
	a.Epoch++
	w.mu.Lock()
	w.assigned["repo"] = a
	w.mu.Unlock()
	w.Kick("repo")
	w.settle()
	if f := w.at("repo"); f == nil || f.task.Epoch != a.Epoch {
		t.Fatalf("it works on %+v", f)
	}
	w.assign(a)
	if f := w.at("repo"); w.ran["repo"] != 2 || f == nil || f.ctx.Err() != nil {
		t.Error("what it works on was said, and it was ended")
	}
	w.end("repo", w.checked())
	w.mu.Lock()
	delete(w.assigned, "repo")
	w.mu.Unlock()
	w.Kick("repo")
	w.advance(time.Hour)
	if w.ran["repo"] != 2 || len(w.wrong) > 0 {
		t.Errorf("%d runs of what has no row: %v", w.ran["repo"]-2, w.wrong)
	}
}

// holdsOwned gives the node a repository of that host that it owns, and has.
func (w *world) holdsOwned(id, host string) {
	a := owned(id, host)
	w.holds(a)
	w.assign(a)
}

// However long the lines at some hosts are, and though they take all places, another host's
// repository has its turn when each of them has had one.
func TestALongLineDelaysOnlyItsHost(t *testing.T) {
	w := newWorld()
	defer w.stop()
	for i := range 50 {
		w.holdsOwned(fmt.Sprint("a", i), "a")
	}
	for i := range 50 {
		w.holdsOwned(fmt.Sprint("b", i), "b")
	}
	w.holdsOwned("lonely", "c")
	for ended := 0; w.at("lonely") == nil; ended++ {
		if ended == 4 {
			t.Fatalf("it waits behind others' lines: %v", w.phases())
		}
		for id := range w.ran {
			if w.at(id) != nil {
				w.end(id, w.checked())
				break
			}
		}
	}
	for ended := 0; w.ran["a49"] == 0 || w.ran["b49"] == 0; ended++ {
		if ended > 100 {
			t.Fatalf("the last of the lines do not run: %v", w.phases())
		}
		for id := range w.ran {
			if w.at(id) != nil {
				w.end(id, w.checked())
				break
			}
		}
	}
}

// Who asks for a check waits for the next place at the host, however long the line: whether
// it stood in the line already or was not due, and in the order in which it was asked for.
func TestWhatSomebodyWaitsForComesFirst(t *testing.T) {
	w := newWorld()
	defer w.stop()
	w.holdsOwned("a-early", "a")
	w.end("a-early", w.checked()) // is not due
	for i := range 20 {
		for _, host := range []string{"b", "a", "c"} {
			w.holdsOwned(fmt.Sprintf("%s%02d", host, i), host)
		}
	}
	wanted := []string{"a19", "a-early", "a18"}
	for _, id := range append(wanted, "a19") { // to ask again changes nothing
		if err := w.Request(id); err != nil {
			t.Fatal(err)
		}
	}
	runs := w.runningAt("a")
	for i, want := range wanted {
		w.end(runs[i], w.checked())
		if runs = append(runs, want); w.at(want) == nil {
			t.Fatalf("%s waits when %s of its host has ended: %v run", want, runs[i], w.runningAt("a"))
		}
	}
}

// runningAt lists what runs at a host.
func (w *world) runningAt(host string) (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, f := range w.running {
		if f.task.Host() == host {
			ids = append(ids, id)
		}
	}
	return ids
}
