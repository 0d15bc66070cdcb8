package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// A repository that this process has not seen yet is checked when it would have been without
// the restart, but never later than it may ever be: what is remembered is of another clock.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	const interval = time.Minute
	for name, tt := range map[string]struct {
		next     time.Duration // as remembered, from now
		failures int
		refused  int
		want     time.Duration
	}{
		"soon":                          {next: interval / 2, want: interval / 2},
		"in a year":                     {next: 365 * 24 * time.Hour, want: interval},
		"in a year, as it is not there": {next: 365 * 24 * time.Hour, failures: 7, refused: 5, want: MaxInterval},
		"in hours, as it is not there":  {next: 3 * time.Hour, failures: 7, refused: 5, want: 3 * time.Hour},
		"in hours, as it fails, which nobody may have heard of": {next: 3 * time.Hour, failures: 3, refused: 3, want: 5 * time.Second},
		"a year ago": {next: -365 * 24 * time.Hour, want: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			t.Cleanup(w.stop)
			now := w.clock.Now()
			a := owned("repo", "host")
			a.Policy.Interval = interval
			w.memory["repo"] = work.Due{LastCheck: now.Add(-interval), NextCheck: now.Add(tt.next), Failures: tt.failures, Refused: tt.refused, RefusedSince: now.Add(-interval)}
			w.holds(a)
			w.assign(a)
			if st := w.state("repo"); st.NextCheck.Sub(now) != tt.want || st.Phase != Queued {
				t.Errorf("%s, and checked after %s, want %s", st.Phase, st.NextCheck.Sub(now), tt.want)
			}
		})
	}
}

// Who wants a repository checked more often need not wait for what was planned before.
func TestAnotherIntervalCountsAtOnce(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	a.Policy.Interval = 24 * time.Hour
	w.holds(a)
	w.assign(a)
	w.end("repo", w.checked())
	a.Policy.Interval = time.Minute
	w.assign(a)
	if wait := w.state("repo").NextCheck.Sub(w.clock.Now()); wait != time.Minute {
		t.Errorf("it is checked after %s", wait)
	}
	if w.advance(time.Minute); w.ran["repo"] != 2 {
		t.Errorf("%d runs", w.ran["repo"])
	}
}

// What an upstream asks us to wait is the least, whatever is drawn at random.
func TestNobodyIsAskedBeforeItWants(t *testing.T) {
	w := newWorld(func(c *Config) { c.Random = func() float64 { return 0 } })
	t.Cleanup(w.stop)
	a := owned("repo", "host")
	w.holds(a)
	w.assign(a)
	f := failure.New(failure.RateLimited, "not now", nil)
	f.RetryAfter = time.Hour
	w.end("repo", work.Result{Checked: true, CheckedAt: w.clock.Now(), Answer: work.Answer{Failure: f}})
	if wait := w.state("repo").NextCheck.Sub(w.clock.Now()); wait != time.Hour {
		t.Errorf("it is asked after %s, and wants an hour", wait)
	}
}

// A node that stops ends its checks, but not one whose candidate the log decides: what it
// says must still be shown.
func TestStopChecksSparesACandidate(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	for _, id := range []string{"checks", "publishes"} {
		a := owned(id, "host")
		w.holds(a)
		w.assign(a)
	}
	w.mu.Lock()
	held := w.disk["publishes"]
	held.Candidate = &work.Generation{Number: 2}
	w.disk["publishes"] = held
	w.mu.Unlock()
	checks, publishes := w.at("checks"), w.at("publishes")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.StopChecks(ctx) // waits for nobody
	if checks.ctx.Err() == nil || publishes.ctx.Err() != nil {
		t.Fatalf("the check: %v, the publish: %v", checks.ctx.Err(), publishes.ctx.Err())
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.StopChecks(t.Context()) }()
	w.end("publishes", w.checked())
	<-stopped // which has waited for it
}

// Checks that come after a usual wait begin together, which wakes a machine less often, and no more
// than a little beside the time at which they would have come.
func TestChecksBeginOnBeats(t *testing.T) {
	draws := rand.New(rand.NewPCG(1, 2))
	var last float64
	w := newWorld(func(c *Config) {
		c.Random = func() float64 { last = draws.Float64(); return last }
		c.Checks, c.ChecksPerHost = 1000, 1000
	})
	t.Cleanup(w.stop)
	for _, interval := range []time.Duration{time.Second, 45 * time.Second, 5 * time.Minute, 8 * time.Hour} {
		begins := map[time.Time]bool{}
		var off time.Duration
		const n = 500
		for i := range n {
			a := owned(fmt.Sprint(interval, i), "host")
			a.Policy.Interval = interval
			w.holds(a)
			w.assign(a)
			w.end(a.ID, w.checked())
			would := w.clock.Now().Add(Jitter(interval, last))
			next := w.state(a.ID).NextCheck
			if d := next.Sub(would).Abs(); d > interval/(2*beatShare) || d > beat/2 {
				t.Fatalf("each %s: asked at %s, and it would have been at %s", interval, next, would)
			}
			begins[next] = true
			off += next.Sub(would)
		}
		if mean := (off / n).Abs(); mean > interval/2000 {
			t.Errorf("each %s: in the mean they come %s beside", interval, mean)
		}
		// Waits differ by a tenth: so many beats there are in it.
		if most := int(max(interval/10/beat, 13)) + 2; interval <= time.Minute && len(begins) > most {
			t.Errorf("each %s: they begin at %d moments, may be %d", interval, len(begins), most)
		}
	}
}
