package schedule_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/schedule"
)

var classes = []failure.Class{failure.NotFound, failure.Auth, failure.RateLimited, failure.Network, failure.Timeout, failure.Protocol, failure.Corrupt, failure.Disk, failure.Refused, "new"}

func TestBackoffGrowsWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(1000*time.Hour)).Draw(t, "interval"))
		f := &failure.Error{Class: rapid.SampledFrom(classes).Draw(t, "class"), RetryAfter: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "retry after"))}
		last := time.Duration(0)
		for n := range 200 {
			d := schedule.Backoff(f, n, interval)
			if d < interval || d < f.RetryAfter || d < 5*time.Second || d > max(schedule.MaxInterval, interval) {
				t.Fatalf("after %d failures: %s", n, d)
			}
			if d < last {
				t.Fatalf("after %d failures %s, after one less %s", n, d, last)
			}
			last = d
		}
		if last < schedule.MaxInterval/2 {
			t.Fatalf("after 200 failures still asked every %s", last)
		}
	})
}

func TestBackoffByClass(t *testing.T) {
	for _, tc := range []struct {
		class failure.Class
		n     int
		want  time.Duration
	}{
		{failure.Network, 1, 5 * time.Second}, {failure.Network, 2, 10 * time.Second}, {failure.Network, 5, 80 * time.Second},
		{failure.NotFound, 1, 5 * time.Second}, {failure.NotFound, 3, 20 * time.Minute}, {failure.Protocol, 3, 4 * time.Minute},
	} {
		if got := schedule.Backoff(&failure.Error{Class: tc.class}, tc.n, time.Second); got != tc.want {
			t.Errorf("%s, failure %d: %s, want %s", tc.class, tc.n, got, tc.want)
		}
	}
}

func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := schedule.Jitter(time.Minute, rand.Float64())
		if d < 57*time.Second || d > 63*time.Second {
			t.Fatalf("a minute became %s", d)
		}
		seen[d] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d different waits", len(seen))
	}
}
