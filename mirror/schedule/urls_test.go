package schedule

import (
	"slices"
	"testing"
	"time"
	"unique"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// twice is an owned repository whose upstream has two urls, at two hosts, and of which a copy is here.
func twice(w *world) work.Assignment {
	a := owned("repo", "one")
	a.URLs = append(a.URLs, "https://two/repo")
	a.Policy.Interval = time.Hour
	w.holds(a)
	return a
}

// answers has the run that is under way ask the urls that it is to ask, of which some fail, and
// returns which it asked.
func (w *world) answers(t *testing.T, dead map[int]failure.Class) (asked []int) {
	t.Helper()
	f := w.at("repo")
	if f == nil {
		t.Fatal("nothing is asked")
	}
	out := w.checked()
	for _, at := range f.task.Asks() {
		asked = append(asked, at)
		class, fails := dead[at]
		if !fails {
			out.Asked, out.Failure = append(out.Asked, work.Asked{URL: at}), nil
			break
		}
		out.Failure = failure.New(class, "dead", nil)
		out.Asked = append(out.Asked, work.Asked{URL: at, Failure: out.Failure})
	}
	out.Judged = out.Failure == nil
	w.end("repo", out)
	return asked
}

// due lets time pass until the repository runs, and returns how long that was.
func (w *world) due(t *testing.T) time.Duration {
	t.Helper()
	began := w.clock.Now()
	for w.at("repo") == nil {
		next, ok := w.clock.Next()
		if !ok {
			t.Fatal("it is never asked again")
		}
		w.advance(next.Sub(w.clock.Now()))
	}
	return w.clock.Now().Sub(began)
}

// sync asks for a check.
func (w *world) sync(t *testing.T) {
	t.Helper()
	if err := w.Request("repo"); err != nil {
		t.Fatal(err)
	}
	w.settle()
}

var dead = map[int]failure.Class{0: failure.Network}

func TestAnotherURLIsAskedAfterThreeFailures(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	w.assign(twice(w))
	for n := range turnAfter {
		if got := w.answers(t, dead); !slices.Equal(got, []int{0}) {
			t.Fatalf("check %d asks %v", n, got)
		}
		if wait := w.due(t); wait > 5*time.Minute {
			t.Errorf("after failure %d it waits for %s, and another url may answer", n+1, wait)
		}
	}
	if got := w.answers(t, dead); !slices.Equal(got, []int{1}) || w.state("repo").URL != 1 || w.state("repo").Failure != nil {
		t.Fatalf("then it asks %v: %+v", got, w.state("repo"))
	}
	if wait := w.wait("repo"); wait < 50*time.Minute {
		t.Errorf("while another answers it is asked after %s", wait)
	}

	// The first is tried again, less and less often, and what it says is not the repository's.
	tried, last := 0, w.clock.Now()
	gaps := []time.Duration{}
	for range 60 {
		probe := w.state("repo").Probe
		w.due(t)
		now := w.clock.Now()
		got := w.answers(t, dead)
		if now.Before(probe) == slices.Equal(got, []int{0, 1}) {
			t.Errorf("it is to be tried again at %s, and at %s %v are asked", probe, now, got)
		}
		if slices.Equal(got, []int{0, 1}) {
			tried++
			gaps = append(gaps, w.clock.Now().Sub(last))
			last = w.clock.Now()
		} else if !slices.Equal(got, []int{1}) {
			t.Fatalf("it asks %v", got)
		}
		if s := w.state("repo"); s.Failure != nil || s.Failures > 0 {
			t.Fatalf("the first is only tried, and %+v", s)
		}
	}
	if tried < 8 || tried > 20 || gaps[len(gaps)-1] < 7*time.Hour {
		t.Errorf("in 60 hours the first was tried %d times: %v", tried, gaps)
	}
	for w.state("repo").URL != 0 {
		w.due(t)
		w.answers(t, nil)
	}
	w.due(t)
	if got := w.answers(t, nil); !slices.Equal(got, []int{0}) || !w.state("repo").Probe.IsZero() {
		t.Errorf("the first is back, and %v is asked, and the first tried at %s", got, w.state("repo").Probe)
	}
}

// Where nothing is here, or a person waits, all are asked; which has answered stays.
func TestAllURLsAreAskedForWhoWaits(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := twice(w)
	w.assign(a)
	w.answers(t, nil)
	w.sync(t)
	if got := w.answers(t, dead); !slices.Equal(got, []int{0, 1}) || w.state("repo").URL != 1 {
		t.Errorf("asked %v, %+v", got, w.state("repo"))
	}
	w.due(t)
	if got := w.answers(t, dead); got[len(got)-1] != 1 {
		t.Errorf("then it asks %v", got)
	}

	first := newWorld()
	t.Cleanup(first.stop)
	a.Generation = 0
	first.assign(a)
	if got := first.answers(t, dead); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("of what is not here it asks %v", got)
	}
}

// Which url answers outlasts the process, and neither another address nor another owner.
func TestWhichURLIsAskedIsRemembered(t *testing.T) {
	w := newWorld()
	a := twice(w)
	w.assign(a)
	for range turnAfter {
		w.answers(t, dead)
		w.due(t)
	}
	w.answers(t, dead)
	w.stop()
	again := newWorld()
	t.Cleanup(again.stop)
	again.memory = w.memory
	again.holds(a)
	again.assign(a)
	again.due(t)
	if got := again.answers(t, dead); got[len(got)-1] != 1 {
		t.Errorf("after a restart it asks %v", got)
	}
	a.URLs = []string{"https://three/repo", "https://two/repo"}
	again.assign(a)
	for again.at("repo") == nil || again.at("repo").task.Wanted {
		if again.due(t); again.at("repo").task.Wanted {
			again.answers(t, nil)
		}
	}
	if got := again.answers(t, nil); !slices.Equal(got, []int{0}) {
		t.Errorf("with another address it asks %v", got)
	}
}

// What all urls say is said of the repository; where one could not be reached, nothing is parked.
func TestWhatAllURLsSayIsSaid(t *testing.T) {
	for all, dead := range map[bool]map[int]failure.Class{true: {0: failure.NotFound, 1: failure.NotFound}, false: {0: failure.NotFound, 1: failure.Network}} {
		w := newWorld()
		t.Cleanup(w.stop)
		w.assign(twice(w))
		asked := map[int]int{}
		began := w.clock.Now()
		for w.clock.Now().Sub(began) < 72*time.Hour {
			for _, at := range w.answers(t, dead) {
				asked[at]++
			}
			w.due(t)
		}
		if got := w.state("repo").Parked; got != all {
			t.Errorf("%v: parked %v", dead, got)
		}
		if asked[0] < 5 || asked[1] < 5 || asked[0]+asked[1] > 200 {
			t.Errorf("%v: in three days they were asked %v times", dead, asked)
		}
	}
}

// What is parked because none of its urls has it is asked for at all of them, seldom, and at once for who
// waits; any that has it again ends that.
func TestAnyURLEndsTheParking(t *testing.T) {
	for back := range 2 {
		w := newWorld()
		t.Cleanup(w.stop)
		w.assign(twice(w))
		w.answers(t, nil)
		w.due(t)
		gone := map[int]failure.Class{0: failure.NotFound, 1: failure.Auth}
		for n := 0; !w.state("repo").Parked; n++ {
			if n > 60 {
				t.Fatal("it is never parked")
			}
			w.answers(t, gone)
			if !w.state("repo").Parked {
				w.due(t)
			}
		}
		if w.at("repo") != nil { // it was time alone that had it parked
			w.answers(t, gone)
		}
		if wait := w.due(t); wait < 6*time.Hour || wait > 10*time.Hour {
			t.Errorf("asked after %s", wait)
		}
		if got := w.answers(t, gone); !slices.Equal(got, []int{0, 1}) && !slices.Equal(got, []int{1, 0}) {
			t.Errorf("of what is parked %v are asked", got)
		}
		w.sync(t)
		delete(gone, back)
		w.answers(t, gone)
		if s := w.state("repo"); s.Parked || s.Failure != nil || s.URL != back || w.wait("repo") > 2*time.Hour {
			t.Errorf("url %d is back: %+v, asked after %s", back, s, w.wait("repo"))
		}
	}
}

// What one host says of all that it has is heard, whatever the other answers.
func TestAHostIsHeardBesideAnother(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	w.assign(twice(w))
	other := owned("other", "one")
	w.holds(other)
	w.answers(t, nil)
	w.sync(t)
	slow := failure.New(failure.RateLimited, "too many", nil)
	slow.Host, slow.RetryAfter = true, 20*time.Minute
	out := w.checked()
	out.Asked = []work.Asked{{URL: 0, Failure: slow}, {URL: 1}}
	w.end("repo", out)
	if w.Scheduler.mu.Lock(); !w.rests(w.repos["repo"].terms.hostAt(0), w.now()) || w.rests(w.repos["repo"].terms.hostAt(1), w.now()) {
		t.Error("the host that asked for rest has none, or the other has")
	}
	w.Scheduler.mu.Unlock()
	w.advance(15 * time.Minute) // a probe of the first is due, and its host rests
	w.sync(t)
	w.answers(t, dead)
	w.advance(time.Hour)
	w.Scheduler.mu.Lock()
	defer w.Scheduler.mu.Unlock()
	if !w.probes(w.repos["repo"].terms.hostAt(0)) {
		t.Error("what the other answers has ended what the first said")
	}
}

// Who only reads has upstream asked as soon as that may be, and no sooner.
func TestAWishWaitsForTheHost(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	a.Policy.Interval = time.Hour
	w.holds(a)
	w.assign(a)
	w.end("repo", w.checked())
	wish := func() chan error {
		said := make(chan error, 1)
		go func() { _, err := w.Wish(t.Context(), "repo"); said <- err }()
		for {
			w.Scheduler.mu.Lock()
			n := len(w.waiters)
			w.Scheduler.mu.Unlock()
			if n > 0 || w.at("repo") != nil {
				return said
			}
		}
	}
	said := wish()
	w.settle()
	if f := w.at("repo"); f == nil || !f.task.Ask || f.task.Wanted {
		t.Fatalf("it does not ask: %+v", f)
	}
	slow := failure.New(failure.RateLimited, "too many", nil)
	slow.Host, slow.RetryAfter = true, time.Minute
	w.end("repo", work.Result{Checked: true, CheckedAt: w.clock.Now(), Answer: work.Answer{Failure: slow}})
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	said = wish()
	w.settle()
	if w.at("repo") != nil {
		t.Error("a host that rests is asked for who reads")
	}
	w.advance(2 * time.Minute)
	if w.at("repo") == nil {
		t.Fatal("it is not asked when it may be")
	}
	w.end("repo", w.checked())
	if err := <-said; err != nil {
		t.Fatal(err)
	}
}

// While the host of one url rests for long another is asked, at once, and the first again after it.
func TestAnotherURLIsAskedWhileAHostRests(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := twice(w)
	a.Policy.Interval = time.Minute
	w.assign(a)
	w.answers(t, nil)
	w.due(t)
	w.end("repo", w.tooMuch(time.Hour))
	if wait := w.due(t); wait > 2*pauseMost {
		t.Errorf("it is tried once more after %s", wait)
	}
	w.end("repo", w.tooMuch(time.Hour))
	if wait := w.due(t); wait > returnWithin {
		t.Errorf("the other is asked after %s", wait)
	}
	for began := w.clock.Now(); w.clock.Now().Sub(began) < 55*time.Minute; w.due(t) {
		if got := w.answers(t, nil); !slices.Equal(got, []int{1}) {
			t.Fatalf("while the first rests %v is asked", got)
		}
	}
	if s := w.state("repo"); s.URL != 1 || s.Failure != nil || w.Resting("repo") != 0 {
		t.Errorf("%+v rests for %s", s, w.Resting("repo"))
	}
	for range 60 {
		if got := w.answers(t, nil); slices.Equal(got, []int{0}) {
			w.due(t)
			break
		}
		w.due(t)
	}
	if got := w.answers(t, nil); !slices.Equal(got, []int{0}) || w.state("repo").URL != 0 {
		t.Errorf("an hour later %v is asked", got)
	}

	w.due(t)
	w.end("repo", w.tooMuch(30*time.Second))
	if wait := w.due(t); wait < 30*time.Second {
		t.Errorf("after a rest of half a minute it is asked after %s", wait)
	}
	if got := w.answers(t, nil); !slices.Equal(got, []int{0}) {
		t.Errorf("after it %v is asked", got)
	}
}

// A new owner begins with what has answered the one before.
func TestANewOwnerBeginsWithWhatAnswered(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := twice(w)
	a.Fallback = 1
	w.assign(a)
	if got := w.answers(t, nil); !slices.Equal(got, []int{1}) || w.state("repo").URL != 1 {
		t.Errorf("it asks %v", got)
	}
	a.Role, a.Epoch = work.Replica, 2
	w.assign(a)
	a.Role, a.Epoch, a.Fallback = work.Owner, 3, 0
	w.assign(a)
	w.due(t)
	if got := w.answers(t, nil); !slices.Equal(got, []int{0}) {
		t.Errorf("where the first has answered it asks %v", got)
	}
}

// What is asked at another host counts there, and not any more at the first.
func TestATurnTakesItsShareAlong(t *testing.T) {
	w := newWorld(func(c *Config) { c.Rate = func(string) float64 { return 1 } })
	t.Cleanup(w.stop)
	counts := func(host string) int {
		w.Scheduler.mu.Lock()
		defer w.Scheduler.mu.Unlock()
		if s := w.sites[unique.Make(host)]; s != nil {
			return s.others + s.crowd.Len()
		}
		return 0
	}
	for _, interval := range []time.Duration{time.Hour, 0} {
		a := twice(w)
		a.Policy.Interval = interval
		w.assign(a)
		for range turnAfter {
			if counts("one") != 1 || counts("two") != 0 {
				t.Fatalf("it counts %d times at the first host, %d at the second", counts("one"), counts("two"))
			}
			w.answers(t, dead)
			w.due(t)
		}
		if counts("one") != 0 || counts("two") != 1 {
			t.Errorf("the second is asked, and it counts %d times at the first host, %d at the second", counts("one"), counts("two"))
		}
		w.answers(t, dead)
		w.unassign(a.ID)
		if len(w.sites) != 0 {
			t.Errorf("nothing is owned, and %d hosts are known", len(w.sites))
		}
		w.Forget(a.ID)
	}
}

// One that is looked at each second is asked again as soon where it has several urls as where it has
// one.
func TestSeveralURLsOfWhatIsLookedAtOften(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := twice(w)
	a.Policy.Interval = time.Second
	w.assign(a)
	w.answers(t, dead)
	if wait := w.due(t); wait > 10*time.Second {
		t.Errorf("after a failure it waits for %s", wait)
	}
}
