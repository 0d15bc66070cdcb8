package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Strangers raise suspicions as often as they like, of as many copies as there are. A copy
// is tested once a minute at most, and for a fifth of the time at most; all of them
// together take the disk for half of the time. Each gets its test all the same.
func TestSuspicionsTakeAShareOfTheDisk(t *testing.T) {
	for _, c := range []struct {
		copies int
		takes  time.Duration
		hours  int
		most   time.Duration // that one copy is read
		least  int           // tests of each
	}{
		{1, 100 * time.Millisecond, 1, 6 * time.Second, 55},
		{1, 10 * time.Minute, 24, 24*time.Hour/5 + 10*time.Minute, 20},
		{8, 10 * time.Minute, 48, 48*time.Hour/16 + 20*time.Minute, 15},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			w := newWard(t, ctx, c.copies)
			var mu sync.Mutex
			tests, reading, together := map[string]int{}, 0, time.Duration(0)
			w.verify = func(ctx context.Context, dir string, _ []string) error {
				mu.Lock()
				tests[dir]++
				if reading++; reading > 1 {
					t.Error("two suspected copies are read at once")
				}
				together += c.takes
				mu.Unlock()
				time.Sleep(c.takes)
				mu.Lock()
				defer mu.Unlock()
				reading--
				return nil
			}
			for range c.hours * 3600 / 5 {
				for _, r := range w.copies {
					w.Suspect(r, errors.New("nonsense"))
				}
				time.Sleep(5 * time.Second)
			}
			cancel()
			w.workers.Wait()
			what := fmt.Sprintf("%d copies of %s in %d hours", c.copies, c.takes, c.hours)
			for _, r := range w.copies {
				if n := tests[r.Dir()]; n < c.least || time.Duration(n)*c.takes > c.most {
					t.Errorf("%s: one is tested %d times, want %d at least and %s at most", what, n, c.least, c.most)
				}
			}
			if all := time.Duration(c.hours) * time.Hour; together > all/2+c.takes {
				t.Errorf("%s: the disk is read for %s", what, together)
			}
		})
	}
}

// A suspicion of one copy holds off no other's that is quick to test, and one that was
// tested a while ago is tested at once.
func TestASuspicionIsLookedAtSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, ctx, 2)
		tested := make(chan string, 10)
		w.verify = func(_ context.Context, dir string, _ []string) error {
			tested <- dir
			time.Sleep(time.Second)
			return nil
		}
		for range 2 {
			began := time.Now()
			for _, r := range w.copies {
				w.Suspect(r, errors.New("a pack cannot be made"))
			}
			<-tested
			<-tested
			if d := time.Since(began); d > 3*time.Second {
				t.Errorf("two copies were looked at only after %s", d)
			}
			time.Sleep(proofSpacing + 5*time.Second)
		}
		cancel()
		w.workers.Wait()
	})
}
