package serve

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// client takes bytes at a rate, 0 for never again after the first.
type client struct {
	rate int // bytes a second
	ctx  context.Context
}

func (c client) Write(b []byte) (int, error) {
	takes := time.Duration(1<<63 - 1)
	if c.rate > 0 {
		takes = time.Duration(len(b)) * time.Second / time.Duration(c.rate)
	}
	select {
	case <-time.After(takes):
		return len(b), nil
	case <-c.ctx.Done(): // as the write deadline does
		return 0, c.ctx.Err()
	}
}

// reads has a client take a pack of that size, and returns how that ended.
func reads(ctx context.Context, t *testing.T, p *places, rate, size int) <-chan error {
	t.Helper()
	pl, err := p.take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		defer pl.release()
		out := pl.writer(client{rate, pl})
		for size > 0 && pl.Err() == nil {
			n, err := out.Write(make([]byte, min(size, 32<<10)))
			if err != nil {
				break
			}
			size -= n
		}
		ended <- context.Cause(pl)
	}()
	return ended
}

// A client that takes hardly anything has its place for as long as nobody else wants
// it, and no longer.
func TestASlowClientLosesItsPlaceWhenOthersWait(t *testing.T) {
	for name, c := range map[string]struct {
		rate int
		lost bool
	}{"two bytes a second": {2, true}, "never again": {0, true}, "slow": {9_000, true}, "a modem": {12_000, false}, "fast": {1 << 20, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlaces(1)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ended := reads(ctx, t, p, c.rate, 1<<30)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				select {
				case err := <-ended:
					t.Fatalf("it lost its place, and nobody waits: %v", err)
				default:
				}
				bound, stop := context.WithTimeout(ctx, time.Minute)
				defer stop()
				pl, err := p.take(bound)
				if (err == nil) != c.lost {
					t.Fatalf("the next got %v", err)
				}
				if c.lost {
					if err := <-ended; !errors.Is(err, errSlow) {
						t.Errorf("it ended with %v", err)
					}
					pl.release()
				}
			})
		})
	}
}

// Time in which git has nothing to send is not the client's.
func TestASilentGitIsNotTheClientsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(1)
		pl, err := p.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := pl.writer(io.Discard)
		_, _ = out.Write([]byte("counting objects"))
		bound, stop := context.WithTimeout(t.Context(), 10*time.Minute)
		defer stop()
		if _, err := p.take(bound); err == nil {
			t.Error("another got its place")
		}
		if pl.Err() != nil {
			t.Errorf("it lost its place: %v", context.Cause(pl))
		}
		pl.release()
		pl.release() // harmless
	})
}

// Places are given in the order in which they were asked for, and one that was given
// to who has left goes to the next.
func TestPlacesAreGivenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2)
		one, _ := p.take(t.Context())
		two, _ := p.take(t.Context())
		order := make(chan int, 10)
		ctxs := make([]context.CancelFunc, 5)
		for i := range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			ctxs[i] = cancel
			go func() {
				pl, err := p.take(ctx)
				if err != nil {
					return
				}
				order <- i
				pl.release()
			}()
			synctest.Wait()
		}
		ctxs[0]()
		ctxs[3]()
		synctest.Wait()
		one.release()
		two.release()
		synctest.Wait()
		close(order)
		var got []int
		for i := range order {
			got = append(got, i)
		}
		if len(got) != 3 || p.free != 2 || len(p.taken) != 0 {
			t.Errorf("given to %v, %d free, %d taken", got, p.free, len(p.taken))
		}
	})
}
