package schedule

import (
	"fmt"
	"testing"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// fails ends the run of a repository with a failure of its upstream.
func (w *world) fails(id string, class failure.Class) {
	w.end(id, work.Result{Checked: true, CheckedAt: w.clock.Now(), Answer: work.Answer{Failure: failure.New(class, "no", nil)}})
}

// A host that does not say for how long rests twice as long each time, a minute at most.
func TestRestsBecomeLonger(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	a.Policy.Interval = time.Second
	w.holds(a)
	w.assign(a)
	for _, least := range []time.Duration{10, 20, 40, 60, 60} {
		least *= time.Second
		w.end("repo", w.tooMuch(0))
		if rest := w.due(t); rest < least || rest > least+least/10+returnWithin {
			t.Errorf("it rests for %s, want %s and a little", rest, least)
		}
	}
}

// Five refusals within minutes, since somebody asks, park nothing; and what one upstream has said
// is not said of the next.
func TestWhoIsParked(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	w.holds(a)
	w.assign(a)
	for range 2 * parkedAfter {
		w.fails("repo", failure.NotFound)
		w.sync(t)
	}
	if w.state("repo").Parked {
		t.Error("it is parked within a moment")
	}
	w.fails("repo", failure.NotFound)
	w.advance(2 * parkedOver)
	if w.at("repo") == nil {
		w.due(t)
	}
	w.fails("repo", failure.NotFound)
	if !w.state("repo").Parked {
		t.Fatal("it is not parked after two hours")
	}
	a.URLs = []string{"https://host/elsewhere"}
	w.assign(a)
	w.fails("repo", failure.NotFound)
	if w.state("repo").Parked {
		t.Error("what the upstream before has said parks another")
	}
}

// What is asked at fixed intervals is not there for those whose intervals are learned; what is
// paused takes nothing.
func TestWhoTakesOfABudget(t *testing.T) {
	interval := func(fixed, paused int) time.Duration {
		w := newWorld(func(c *Config) {
			c.Rate = func(string) float64 { return 1.0 / 30 }
			c.Checks, c.ChecksPerHost = 100, 100
		})
		t.Cleanup(w.stop)
		for i := range fixed + paused {
			a := owned(fmt.Sprint("fixed", i), "host")
			a.Paused = i >= fixed
			w.holds(a)
			w.assign(a)
		}
		for i := range 16 {
			a := learns(fmt.Sprint(i), "host")
			w.holds(a)
			w.assign(a)
			w.end(a.ID, w.history(10*time.Minute))
		}
		return w.state("15").Interval
	}
	alone := interval(0, 0)
	if with := interval(1, 0); with < 3*alone/2 {
		t.Errorf("beside one that takes half of the budget it is asked after %s, alone after %s", with, alone)
	}
	if with := interval(0, 1); with != alone {
		t.Errorf("beside one that is paused it is asked after %s, alone after %s", with, alone)
	}
}

// A share that has become smaller, or larger, is that at once.
func TestAShareIsOfNow(t *testing.T) {
	rate := 100.0
	w := newWorld(func(c *Config) {
		c.Rate = func(string) float64 { return rate }
		c.Checks, c.ChecksPerHost = 1000, 1000
	})
	t.Cleanup(w.stop)
	const n = 300
	for i := range n {
		a := owned(fmt.Sprint(i), "host")
		w.holds(a)
		w.assign(a)
	}
	asked := func() (n int) {
		for id := range w.assigned {
			if w.at(id) != nil {
				w.end(id, w.checked())
				n++
			}
		}
		return n
	}
	asked()
	rate = 0.1
	total := 0
	for range 60 {
		w.advance(10 * time.Second)
		total += asked()
	}
	if most := burstLeast + 70; total > most {
		t.Errorf("in ten minutes %d checks, of a share of %g a second and a burst of %d", total, rate, burstLeast)
	}
}

// What was changed before this node knew of the repository says nothing of how late it is.
func TestWhatIsLearnedIsNotLate(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := learns("repo", "host")
	w.holds(a)
	w.assign(a)
	w.end("repo", w.history(time.Hour))
	if f := w.Freshness(); f.Lags.N != 0 {
		t.Errorf("%d changes are late", f.Lags.N)
	}
}

// What fails again and again is asked no more often than it was when it did not.
func TestFailuresAreNoReasonToAskMoreOften(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := learns("repo", "host")
	w.holds(a)
	w.assign(a)
	w.end("repo", w.history(1000*time.Hour))
	every := w.state("repo").Interval
	w.due(t)
	w.fails("repo", failure.Network)
	if wait := w.due(t); wait > 5*time.Minute {
		t.Errorf("after the first failure it waits for %s", wait)
	}
	w.fails("repo", failure.Network)
	if wait := w.due(t); wait < every*9/10 {
		t.Errorf("after the second it waits for %s, and was asked every %s", wait, every)
	}
}

// A disk of ours is no reason to ask another url, nor does it end the rest of a host.
func TestOurOwnFailuresAreNotTheUpstreams(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	w.assign(twice(w))
	for n := range 2 * turnAfter {
		if got := w.answers(t, map[int]failure.Class{0: failure.Disk}); len(got) != 1 || got[0] != 0 {
			t.Fatalf("after %d failures of our disk it asks %v", n, got)
		}
		w.due(t)
	}
}

// While another url answers, the first is not tried whose host wants to be left alone.
func TestAFirstWhoseHostRestsIsNotTried(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := twice(w)
	a.Policy.Interval = 15 * time.Minute
	w.assign(a)
	w.answers(t, nil)
	w.sync(t)
	w.answers(t, dead)
	for _, id := range []string{"other", "another"} {
		a := owned(id, "one")
		w.holds(a)
		w.assign(a)
	}
	w.end("other", w.tooMuch(3*time.Hour))
	w.advance(pauseMost + pauseMost/10)
	for w.at("another") == nil {
		w.advance(time.Second)
	}
	w.end("another", w.tooMuch(3*time.Hour)) // then it is the host that rests
	for began := w.clock.Now(); w.clock.Now().Sub(began) < 2*time.Hour; w.due(t) {
		if w.at("repo") == nil {
			continue
		}
		if got := w.answers(t, dead); got[0] == 0 {
			t.Fatal("a host that rests is asked")
		}
	}
}
