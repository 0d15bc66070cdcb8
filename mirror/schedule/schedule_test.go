package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/schedule"
)

var noon = time.Unix(1_700_000_000, 0)

// The queue does what a map and a search for the least would.
func TestQueueIsAMapWithALeast(t *testing.T) {
	ids := rapid.Map(rapid.IntRange(0, 9), func(n int) string { return fmt.Sprint("repo", n) })
	dues := rapid.Map(rapid.IntRange(0, 50), func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) })
	rapid.Check(t, func(t *rapid.T) {
		var q schedule.Queue
		model := map[string]time.Time{}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				id, due := ids.Draw(t, "id"), dues.Draw(t, "due")
				q.Set(id, due)
				model[id] = due
			},
			"advance": func(t *rapid.T) {
				id, due := ids.Draw(t, "id"), dues.Draw(t, "due")
				q.Advance(id, due)
				if old, ok := model[id]; !ok || due.Before(old) {
					model[id] = due
				}
			},
			"remove": func(t *rapid.T) {
				id := ids.Draw(t, "id")
				q.Remove(id)
				delete(model, id)
			},
			"pop": func(t *rapid.T) {
				now := dues.Draw(t, "now")
				least, any := earliest(model)
				id, ok := q.Pop(now)
				if ok != (any && !least.After(now)) {
					t.Fatalf("popped %q %v, the least is due at %v, now is %v", id, ok, least, now)
				}
				if ok {
					if !model[id].Equal(least) {
						t.Fatalf("popped %s, due at %v, before one due at %v", id, model[id], least)
					}
					delete(model, id)
				}
			},
			"": func(t *rapid.T) {
				least, any := earliest(model)
				if next, ok := q.Next(); ok != any || ok && !next.Equal(least) {
					t.Fatalf("next %v %v, want %v %v", next, ok, least, any)
				}
				for n := range 10 {
					id := fmt.Sprint("repo", n)
					want, there := model[id]
					if due, ok := q.Due(id); ok != there || ok && !due.Equal(want) {
						t.Fatalf("%s is due %v %v, want %v %v", id, due, ok, want, there)
					}
				}
			},
		})
	})
}

func earliest(model map[string]time.Time) (least time.Time, ok bool) {
	for _, due := range model {
		if !ok || due.Before(least) {
			least, ok = due, true
		}
	}
	return least, ok
}

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
		d := schedule.Jitter(time.Minute)
		if d < 57*time.Second || d > 63*time.Second {
			t.Fatalf("a minute became %s", d)
		}
		seen[d] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d different waits", len(seen))
	}
}
