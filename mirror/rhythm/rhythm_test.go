package rhythm_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitmirror/mirror/rhythm"
)

const day = 24 * time.Hour

// usual is how long one of that rhythm is left alone, with no budget.
func usual(r rhythm.Rhythm, now time.Duration) time.Duration {
	return rhythm.Usual.Interval(r.Measure(now), rhythm.Bounds{Least: 45 * time.Second, Most: 8 * time.Hour})
}

// regular are commits of so many days before now, each that long after the one before.
func regular(now, days, every time.Duration) (commits []time.Duration) {
	for at := now - days*day; at <= now; at += every {
		commits = append(commits, at)
	}
	return commits
}

// What README says of the usual tempo.
func TestTheUsualTempo(t *testing.T) {
	const now = 1000 * day
	for name, tt := range map[string]struct {
		is          rhythm.Rhythm
		least, most time.Duration
	}{
		"fifty a day, by day and night": {rhythm.Learned(now, regular(now, 90, day/50)), 45 * time.Second, 75 * time.Second},
		"one a day":                     {rhythm.Learned(now-day/2, regular(now-day/2, 90, day)), 4 * time.Minute, 8 * time.Minute},
		"none":                          {rhythm.Learned(now, nil), 40 * time.Minute, 50 * time.Minute},
		"unknown":                       {rhythm.Unknown(now), 8 * time.Minute, 15 * time.Minute},
	} {
		if got := usual(tt.is, now); got < tt.least || got > tt.most {
			t.Errorf("%s: every %s, want %s to %s", name, got, tt.least, tt.most)
		}
	}
}

// A change makes the next one more likely, the more so the less it is ago; time makes it less
// likely, and nothing makes it impossible.
func TestChangesRaiseTheRateAndTimeLowersIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := 1000 * day
		draw := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(200*day)).Draw(t, name))
		}
		var commits []time.Duration
		for range rapid.IntRange(0, 20).Draw(t, "commits") {
			commits = append(commits, now-draw("ago"))
		}
		r := rhythm.Learned(now, commits)
		before := r.Rate(now)
		if later := r.Rate(now + draw("later")); later > before || later < 0.01/day.Seconds() {
			t.Fatalf("%g, and later %g", before, later)
		}
		last := now - draw("last")
		old, young := last+(now-last)/4, now-(now-last)/4
		with := func(commits ...time.Duration) float64 { return r.With(now, last, commits).Rate(now) }
		if with(old) < before || with(young) < with(old) {
			t.Fatalf("%g, after an old change %g, after a young one %g", before, with(old), with(young))
		}
		if a, b := with(old, young), with(young, old); a != b {
			t.Fatalf("one order makes it %g, another %g", a, b)
		}
	})
}

// Dates of commits are anybody's: none counts for more than one that is made now, nor for less
// than one that was there right after the last look. Those of one push are one change.
func TestDatesAreBounded(t *testing.T) {
	const now, last = 1000 * day, 999 * day
	r := rhythm.Unknown(last)
	with := func(commits ...time.Duration) float64 { return r.With(now, last, commits).Rate(now) }
	if with(now) != with(now+1000*day) {
		t.Error("a commit of the future counts for more")
	}
	if with(last) != with(0) {
		t.Error("a commit that came late counts for less")
	}
	if with(now-2*time.Minute) != with(now, now-time.Second, now-2*time.Minute) {
		t.Error("three commits of a push are several changes")
	}
	if with(now) >= with(now, now-4*time.Minute) {
		t.Error("two pushes are one change")
	}
	if back := r.With(last-day, last, []time.Duration{last}); back.Rate(last) < r.Rate(last) {
		t.Error("a clock that went back makes it forget")
	}
}

// What is remembered is what was known.
func TestARhythmIsRemembered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		then, now := 10*day, time.Duration(rapid.Int64Range(int64(-20*day), int64(20*day)).Draw(t, "now"))
		r := rhythm.Learned(then, regular(then, 9, time.Duration(rapid.Int64Range(int64(time.Hour), int64(9*day)).Draw(t, "every"))))
		again, ok := rhythm.Remembered(now, r.Counters(then))
		if !ok || math.Abs(again.Rate(now)/r.Rate(then)-1) > 1e-6 {
			t.Fatalf("%g became %g (%v)", r.Rate(then), again.Rate(now), ok)
		}
	})
	for _, bad := range [][]float32{nil, {1, 2}, {1, 2, 3, 4}, {-1, 0, 0}, {float32(math.NaN()), 0, 0}, {float32(math.Inf(1)), 0, 0}} {
		if _, ok := rhythm.Remembered(0, bad); ok {
			t.Errorf("%v are counters", bad)
		}
	}
}

// A budget is what the intervals of a crowd come to, as nearly as their bounds let it; the order
// of who is asked more often is that of their rates.
func TestABudgetIsShared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rhythm.Bounds{Least: 45 * time.Second, Most: 8 * time.Hour}
		measures := rapid.SliceOfN(rapid.Float64Range(4, 1400), 1, 50).Draw(t, "measures")
		var c rhythm.Crowd
		for _, m := range measures {
			c.Join(rhythm.Slot(m))
		}
		n := float64(len(measures))
		least, most := n/b.Most.Seconds(), n/b.Least.Seconds()
		rate := rapid.Float64Range(least/2, most*2).Draw(t, "rate")
		tempo := c.Tempo(rate, b)
		want := min(max(rate, least), most)
		if got := c.Rate(tempo, b); math.Abs(got/want-1) > 0.01 {
			t.Fatalf("%g a second, want %g", got, want)
		}
		slices.Sort(measures)
		got := 0.0
		for i, m := range measures {
			wait := tempo.Interval(m, b)
			if i > 0 && wait < tempo.Interval(measures[i-1], b) {
				t.Fatal("who changes more often is asked less often")
			}
			got += 1 / wait.Seconds()
		}
		if math.Abs(got/want-1) > 0.05 {
			t.Fatalf("their intervals come to %g a second, want %g", got, want)
		}
		for _, m := range measures {
			c.Leave(rhythm.Slot(m))
		}
		if c.Len() != 0 || c.Rate(tempo, b) != 0 {
			t.Fatal("who has left counts")
		}
	})
}
