package schedule

import (
	"fmt"
	"testing"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// learns is an owned repository whose interval is learned.
func learns(id, host string) work.Assignment {
	a := owned(id, host)
	a.Policy.Interval = 0
	return a
}

// history is what a check tells of a repository that has changed that often for a month.
func (w *world) history(every time.Duration) work.Result {
	out := w.checked()
	out.Learned = true
	now := w.clock.Now()
	for at := now.Add(-30 * 24 * time.Hour); at.Before(now); at = at.Add(every) {
		out.Commits = append(out.Commits, at)
	}
	return out
}

// wait is how long a repository is left alone from now.
func (w *world) wait(id string) time.Duration { return w.state(id).NextCheck.Sub(w.clock.Now()) }

func TestWhatChangesOftenIsAskedOften(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	for id, every := range map[string]time.Duration{"busy": 10 * time.Minute, "daily": 24 * time.Hour, "idle": 1000 * time.Hour} {
		a := learns(id, id)
		w.holds(a)
		w.assign(a)
		if f := w.at(id); !f.task.Learn {
			t.Fatalf("the history of %s is not asked for", id)
		}
		w.end(id, w.history(every))
	}
	busy, daily, idle := w.wait("busy"), w.wait("daily"), w.wait("idle")
	if busy != 45*time.Second || daily < 2*time.Minute || daily > 10*time.Minute || idle < 2*daily || idle > 8*time.Hour {
		t.Errorf("asked after %s, %s and %s", busy, daily, idle)
	}
	w.advance(idle)
	f := w.at("idle")
	if f.task.Learn || !f.task.Since.Equal(w.clock.Now().Add(-idle)) {
		t.Errorf("learn %v, since %s", f.task.Learn, f.task.Since)
	}
	changed := w.checked()
	changed.Changed = true
	w.end("idle", changed)
	if now := w.wait("idle"); now > idle/3 {
		t.Errorf("after a change it is asked after %s, before after %s", now, idle)
	}
}

// What was learned outlasts the process; who becomes the owner learns from its own copy.
func TestARhythmIsLearnedOnce(t *testing.T) {
	w := newWorld()
	a := learns("repo", "host")
	w.holds(a)
	w.assign(a)
	w.end("repo", w.history(time.Hour))
	was := w.wait("repo")
	w.stop()

	again := newWorld()
	t.Cleanup(again.stop)
	again.memory = w.memory
	again.holds(a)
	again.assign(a)
	if got := again.wait("repo"); got != was {
		t.Errorf("after a restart it is asked after %s, before after %s", got, was)
	}
	again.advance(was)
	if again.at("repo").task.Learn {
		t.Error("it is learned again")
	}
	again.end("repo", again.checked())
	a.Role, a.Epoch = work.Replica, 2
	again.assign(a)
	a.Role, a.Epoch = work.Owner, 3
	again.assign(a)
	again.advance(5 * time.Second)
	if f := again.at("repo"); f == nil || !f.task.Learn {
		t.Error("who owns it anew takes what it knew before for what it is")
	}
}

// An interval that is fixed is that, whatever changes.
func TestAFixedIntervalIsKept(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	w.holds(a)
	w.assign(a)
	if w.at("repo").task.Learn {
		t.Error("its history is asked for")
	}
	changed := w.checked()
	changed.Changed = true
	w.end("repo", changed)
	if got := w.wait("repo"); got != time.Minute {
		t.Errorf("asked after %s", got)
	}
	a.Policy.Interval = 0
	w.assign(a)
	w.advance(w.wait("repo"))
	if f := w.at("repo"); f == nil || !f.task.Learn {
		t.Fatal("nobody learns what is to be learned from now on")
	}
	w.end("repo", w.history(1000*time.Hour))
	if got := w.wait("repo"); got < 10*time.Minute {
		t.Errorf("asked after %s, once it is learned", got)
	}
}

// tooMuch is what a check comes to whose host is asked for too much.
func (w *world) tooMuch(wait time.Duration) work.Result {
	f := failure.New(failure.RateLimited, "not now", nil)
	f.Host, f.RetryAfter = true, wait
	return work.Result{Checked: true, CheckedAt: w.clock.Now(), Answer: work.Answer{Failure: f}}
}

// A host that says that it is asked for too much is left alone by all, then asked for one, and
// once that succeeds for as many as before.
func TestAHostThatRefusesIsProbed(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	ids := []string{"a", "b", "c", "d"}
	for _, id := range ids {
		a := owned(id, "host")
		w.holds(a)
		w.assign(a)
	}
	other := owned("other", "elsewhere")
	w.holds(other)
	w.assign(other)
	w.end("a", w.tooMuch(10*time.Minute))
	w.clock.Advance(time.Second)
	before := w.checked()
	before.CheckedAt = w.began
	w.end("b", before) // it was under way, which says nothing of what was said since
	running := func() (at []string) {
		for _, id := range ids {
			if w.at(id) != nil {
				at = append(at, id)
			}
		}
		return at
	}
	leftAlone := func(wait time.Duration) {
		t.Helper()
		for end := w.clock.Now().Add(wait); w.clock.Now().Before(end); w.advance(time.Second) {
			if at := running(); len(at) > 0 {
				t.Fatalf("%v are asked for %s before the host may be", at, end.Sub(w.clock.Now()))
			}
			if w.at("other") != nil {
				w.end("other", w.checked())
			}
		}
	}
	leftAlone(pauseMost)
	for len(running()) == 0 { // whether it is "a" alone that is asked for too much
		w.advance(time.Second)
	}
	w.advance(returnWithin)
	if at := running(); len(at) != 1 || at[0] == "a" {
		t.Fatalf("%v are asked for after one was told to wait", at)
	}
	w.end(running()[0], w.tooMuch(10*time.Minute))
	leftAlone(10 * time.Minute)
	if w.ran["other"] < 10 {
		t.Errorf("another host was asked %d times", w.ran["other"])
	}
	if err := w.Request("d"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if w.at("d") == nil {
		t.Fatal("who waits for it has it not asked")
	}
	w.end("d", w.tooMuch(0))
	for range 100 {
		if len(running()) > 0 {
			break
		}
		w.advance(time.Second)
	}
	w.advance(returnWithin)
	if n := len(running()); n != 1 {
		t.Fatalf("%d are asked for", n)
	}
	w.end(running()[0], w.checked())
	if n := len(running()); n != 2 {
		t.Errorf("%d are asked for once it answers, want as many as may be", n)
	}
}

// What a host says of one repository again and again, while it answers for others, is of that one: it
// waits as long as it is told, also where it was told while the host rested, and the others do not.
func TestOneThatIsRefusedHoldsUpNobodyElse(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	for _, id := range []string{"a", "b"} {
		a := owned(id, "host")
		a.Policy.Interval = 30 * time.Second
		w.holds(a)
		w.assign(a)
	}
	w.end("b", w.tooMuch(time.Second))
	w.end("a", w.tooMuch(30*time.Minute)) // it was under way, and the host rests already
	again := time.Time{}
	for w.clock.Now().Sub(w.began) < 2*time.Hour {
		if w.at("b") != nil {
			w.clock.Advance(time.Millisecond)
			w.end("b", w.checked())
		}
		if w.at("a") != nil {
			if waited := w.clock.Now().Sub(w.began); again.IsZero() && waited < 30*time.Minute {
				t.Fatalf("what was told to wait for 30m is asked for after %s", waited)
			}
			again = w.clock.Now()
			w.end("a", w.tooMuch(30*time.Minute))
			if rests := w.Resting("b"); rests > 2*pauseMost {
				t.Fatalf("the host rests for %s, for one that it refuses", rests)
			}
		}
		w.advance(time.Second)
	}
	if again.IsZero() || w.ran["a"] > 5 || w.ran["b"] < 150 {
		t.Errorf("asked for what is refused %d times, for the other %d times", w.ran["a"], w.ran["b"])
	}
}

// Nor does it when somebody asks for it as soon as the host's rest is over.
func TestOneThatIsRefusedTwiceIsStillOne(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	for _, id := range []string{"a", "b"} {
		a := owned(id, "host")
		w.holds(a)
		w.assign(a)
	}
	w.end("b", w.checked())
	w.end("a", w.tooMuch(0))
	w.clock.Advance(pauseFirst + pauseFirst/10)
	if err := w.Request("a"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.end("a", w.tooMuch(time.Hour))
	if rests := w.Resting("b"); rests == 0 || rests > 2*pauseMost {
		t.Errorf("the host rests for %s", rests)
	}
}

// What has long not been there is asked for three times a day, and at once for who waits for it.
func TestWhatIsNotThereIsParked(t *testing.T) {
	for _, class := range []failure.Class{failure.NotFound, failure.Auth} {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld()
			t.Cleanup(w.stop)
			a := learns("repo", "host")
			w.holds(a)
			w.assign(a)
			fail := func(class failure.Class) {
				w.end("repo", work.Result{Checked: true, CheckedAt: w.clock.Now(), Answer: work.Answer{Failure: failure.New(class, "no", nil)}})
			}
			for n := 1; !w.state("repo").Parked; n++ {
				if n > 20 {
					t.Fatal("it is never parked")
				}
				if n == 3 {
					fail(failure.Network) // which says nothing of it
					w.advance(w.wait("repo"))
				}
				fail(class)
				if st := w.state("repo"); st.Parked && (n < parkedAfter || w.clock.Now().Sub(w.began) < time.Hour) {
					t.Fatalf("parked after %d answers in %s", n, w.clock.Now().Sub(w.began))
				} else if st.Parked {
					break
				}
				w.advance(w.wait("repo"))
			}
			if wait := w.wait("repo"); wait < 6*time.Hour || wait > 10*time.Hour {
				t.Errorf("asked after %s", wait)
			}
			if err := w.Request("repo"); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if w.at("repo") == nil {
				t.Fatal("who waits for it has it not asked")
			}
			w.end("repo", w.checked())
			if st := w.state("repo"); st.Parked || w.wait("repo") > time.Hour {
				t.Errorf("it is back, and parked %v, asked after %s", st.Parked, w.wait("repo"))
			}
		})
	}
}

// A budget is kept, whatever the intervals are, and what somebody waits for is within it.
func TestABudgetIsKept(t *testing.T) {
	const rate = 0.2
	w := newWorld(func(c *Config) {
		c.Rate = func(host string) float64 { return map[string]float64{"host": rate}[host] }
		c.Checks, c.ChecksPerHost = 1000, 1000
	})
	t.Cleanup(w.stop)
	const n = 400
	for i := range n {
		a := learns(fmt.Sprint(i), "host")
		if i%2 == 0 {
			a.Policy.Interval = 10 * time.Minute // these alone come to more
		}
		w.holds(a)
		w.assign(a)
	}
	asked, began := 0, w.clock.Now()
	for passed := time.Duration(0); passed < 3*time.Hour; passed = w.clock.Now().Sub(began) {
		for i := range n {
			if id := fmt.Sprint(i); w.at(id) != nil {
				if w.at(id).task.Ask {
					asked++
				}
				w.end(id, w.checked())
			}
		}
		if most := rate*passed.Seconds() + burstLeast + 1; float64(asked) > most {
			t.Fatalf("%d checks in %s, may be %.0f", asked, passed, most)
		}
		w.advance(5 * time.Second)
	}
	if least := 0.9 * rate * (3 * time.Hour).Seconds(); float64(asked) < least {
		t.Errorf("%d checks, and there was room for %.0f", asked, least)
	}
	for id := range w.assigned {
		w.unassign(id)
	}
	if len(w.sites) != 0 {
		t.Errorf("%d hosts are known when nothing is theirs", len(w.sites))
	}
}

// How old what is shown may be: as old as the last check that it is the outcome of.
func TestAsOf(t *testing.T) {
	w, _ := begin(t)
	first := w.clock.Now()
	w.clock.Advance(3 * time.Second)
	out := w.checked()
	out.CheckedAt = first
	w.end("repo", out)
	if got := w.state("repo").AsOf; !got.Equal(first) {
		t.Errorf("as of %s, the check began at %s", got, first)
	}
	for name, out := range map[string]work.Result{
		"failed":    {Checked: true, Answer: work.Answer{Failure: failure.New(failure.Network, "no", nil)}},
		"held":      {Checked: true, Judged: true, Answer: work.Answer{Hold: &work.Hold{}}},
		"undecided": {Checked: true, Waiting: true},
	} {
		if err := w.Request("repo"); err != nil {
			t.Fatal(err)
		}
		w.settle()
		out.CheckedAt = w.clock.Now()
		w.end("repo", out)
		if got := w.state("repo").AsOf; !got.Equal(first) {
			t.Errorf("after one that %s: as of %s", name, got)
		}
		if w.at("repo") != nil {
			w.end("repo", work.Result{})
		}
	}
	a := w.assigned["repo"]
	a.Epoch = 2
	w.assign(a)
	a.Role, a.Epoch = work.Replica, 3
	w.assign(a)
	if got := w.state("repo").AsOf; !got.Equal(first) && !got.IsZero() {
		t.Errorf("a replica is as of %s", got)
	}
	a.Role, a.Epoch = work.Owner, 4
	w.assign(a)
	if got := w.state("repo").AsOf; !got.IsZero() {
		t.Errorf("a new owner knows that it is as of %s", got)
	}
}

// A host that wants to be left alone keeps nobody from asking holders for what is lost.
func TestARestingHostKeepsNobodyFromHolders(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	w.holds(a)
	w.assign(a)
	w.end("repo", w.tooMuch(time.Hour))
	a.Lost = []work.Generation{{Number: 1}}
	w.assign(a)
	for asked := 0; asked < 3; {
		if f := w.at("repo"); f != nil {
			if f.task.Step != work.RecoverLost {
				t.Fatalf("upstream is asked: %+v", f.task.Step)
			}
			asked++
			w.end("repo", work.Result{})
		}
		if w.advance(time.Second); w.clock.Now().Sub(w.began) > time.Minute {
			t.Fatalf("holders were asked %d times in a minute", asked)
		}
	}
	if err := w.Request("repo"); err != nil { // it is asked, in vain, and postponed from then on
		t.Fatal(err)
	}
	w.settle()
	w.end("repo", w.tooMuch(0))
	for range 400 {
		if f := w.at("repo"); f != nil {
			w.end("repo", work.Result{})
		}
		w.advance(time.Second)
	}
	if before := w.ran["repo"]; before < 4 {
		t.Errorf("%d runs", before)
	}
}

// The one that a host is asked for alone may fetch when it answers, and so give its place to
// another one: from then on as many are asked for as may be.
func TestAHostThatAnswersOneThatFetchesIsOpen(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	ids := []string{"a", "b", "c", "d"}
	for _, id := range ids {
		a := owned(id, "host")
		w.holds(a)
		w.assign(a)
	}
	w.end("a", w.tooMuch(10*time.Second))
	w.end("b", w.tooMuch(10*time.Second))
	running := func() (at []string) {
		for _, id := range ids {
			if w.at(id) != nil {
				at = append(at, id)
			}
		}
		return at
	}
	for len(running()) == 0 {
		w.advance(time.Second)
	}
	w.advance(returnWithin) // the others are due
	first := running()
	if len(first) != 1 || !w.fetch(first[0]) {
		t.Fatalf("%v are asked for", first)
	}
	if n := len(running()); n != 2 {
		t.Fatalf("%d run, want the one that fetches and one that asks", n)
	}
	w.clock.Advance(time.Second)
	w.end(first[0], w.checked())
	if n := len(running()); n != 2 {
		t.Errorf("%d ask once the host has answered, want as many as may", n)
	}
}

// A host is not remembered for good because it has refused once.
func TestAHostThatRefusedIsForgotten(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	refuse := func(host string) {
		t.Helper()
		a := owned(host, host)
		w.holds(a)
		w.assign(a)
		if w.at(host) == nil {
			t.Fatalf("%s is not asked", host)
		}
		w.end(host, w.tooMuch(time.Hour))
		w.unassign(host)
	}
	for i := range 100 {
		refuse(fmt.Sprint("host", i))
	}
	if n := len(w.sites); n != 100 {
		t.Errorf("%d hosts want to be left alone, want 100", n)
	}
	w.advance(refusalKept)
	refuse("another")
	if n := len(w.sites); n != 101 {
		t.Errorf("%d hosts are known, though they wanted to be left alone for less than a day ago", n)
	}
	w.advance(2 * time.Hour)
	refuse("one more")
	if n := len(w.sites); n != 2 {
		t.Errorf("%d hosts are known a day later, want two", n)
	}
}
