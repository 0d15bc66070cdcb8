package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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

// A client that takes nothing for a moment lends its place, and goes on when it takes
// something again; as many places are lent as there are, and each is given back once.
func TestAPlaceIsLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2)
		var slow []<-chan error
		for range 2 {
			slow = append(slow, reads(t.Context(), t, p, 3_000, 64<<10)) // 22 s
		}
		began := time.Now()
		var fast []<-chan error
		for range 2 {
			fast = append(fast, reads(t.Context(), t, p, 0, 1)) // never again
		}
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("they waited %s", took)
		}
		for _, ended := range slow {
			if err := <-ended; err != nil {
				t.Errorf("one that lent its place: %v", err)
			}
		}
		synctest.Wait()
		p.mu.Lock()
		if p.mayLend != 2 || p.free != 0 {
			t.Errorf("%d may be lent, %d are free", p.mayLend, p.free)
		}
		p.mu.Unlock()
		<-reads(t.Context(), t, p, 1<<20, 1) // in the place of one that never reads again
		p.mu.Lock()
		for pl := range p.taken {
			pl.end(errSlow)
		}
		p.mu.Unlock()
		for _, ended := range fast {
			<-ended
		}
		synctest.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.mayLend != 2 || p.free != 2 || len(p.taken) != 0 {
			t.Errorf("in the end %d may be lent, %d are free, %d taken", p.mayLend, p.free, len(p.taken))
		}
	})
}

// What is repeated in a large request does not reach git, and nothing else is changed.
func TestRepeatsAreLeftOut(t *testing.T) {
	id := func(i int) string { return fmt.Sprintf("%040x", i*0x9e3779b9) }
	var request, want strings.Builder
	request.WriteString(pkt("command=fetch") + "0001")
	for range 100_000 {
		request.WriteString(pkt("want " + id(1) + "\n"))
	}
	request.WriteString(pkt("want "+id(2)+" side-band-64k\n") + pkt("want "+id(2)+" side-band-64k\n") + "0000" + pkt("have "+id(1)+"\n") + pkt("have "+id(1)) + pkt("done\n") + "0002")
	want.WriteString(pkt("command=fetch") + "0001" + pkt("want "+id(1)+"\n"))
	want.WriteString(pkt("want "+id(2)+" side-band-64k\n") + pkt("want "+id(2)+" side-band-64k\n") + "0000" + pkt("have "+id(1)+"\n") + pkt("done\n") + "0002")
	got, err := io.ReadAll(withoutRepeats(keep(t, request.String())))
	if err != nil || string(got) != want.String() {
		t.Errorf("%v: %d bytes, want %d: %.300q", err, len(got), want.Len(), got)
	}
}
