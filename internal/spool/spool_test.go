package spool_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/spool"
)

func pool(t *testing.T, change ...func(*spool.Config)) (*spool.Pool, string) {
	t.Helper()
	cfg := spool.Config{Dir: t.TempDir(), Memory: 100 << 10, InAll: 300 << 10, Total: 10 << 20, Share: 6 << 20, Wait: 50 * time.Millisecond, Class: "things"}
	for _, c := range change {
		c(&cfg)
	}
	return spool.New(cfg), cfg.Dir
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// keep reads n bytes and keeps them until the test ends.
func keep(t *testing.T, p *spool.Pool, owner string, n int) (*spool.Body, error) {
	t.Helper()
	b, err := p.Read(t.Context(), owner, bytes.NewReader(make([]byte, n)), 64<<20)
	if err == nil {
		t.Cleanup(b.Close)
	}
	return b, err
}

func TestABodyIsReadAsItCame(t *testing.T) {
	p, dir := pool(t)
	for _, n := range []int{0, 1, 4096, 100 << 10, 100<<10 + 1, 3 << 20} {
		want := content(n)
		b, err := p.Read(t.Context(), "a", iotest(want), 4<<20)
		if err != nil {
			t.Fatal(n, err)
		}
		for range 2 {
			got, err := io.ReadAll(b.Reader())
			if err != nil || !bytes.Equal(got, want) || b.Len() != int64(n) {
				t.Errorf("%d bytes came back as %d, Len %d, %v", n, len(got), b.Len(), err)
			}
		}
		b.Close()
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files with names: %v, %v", left, err)
	}
}

// iotest reads in pieces of odd sizes.
func iotest(b []byte) io.Reader { return &odd{b} }

type odd struct{ rest []byte }

func (o *odd) Read(p []byte) (int, error) {
	if len(o.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1+rand.IntN(7000))], o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

func TestOneBodyHasABound(t *testing.T) {
	p, _ := pool(t)
	if _, err := p.Read(t.Context(), "a", strings.NewReader(strings.Repeat("x", 1001)), 1000); !errors.Is(err, spool.ErrTooLarge) {
		t.Errorf("1001 bytes of 1000: %v", err)
	}
	if b, err := p.Read(t.Context(), "a", strings.NewReader(strings.Repeat("x", 1000)), 1000); err != nil {
		t.Error(err)
	} else {
		b.Close()
	}
}

// One owner has its share, all together have the budget; what is given back is there for
// who waits.
func TestBudgets(t *testing.T) {
	p, _ := pool(t)
	a, err := keep(t, p, "a", 5<<20)
	if err != nil {
		t.Fatal(err)
	}
	var busy *spool.BusyError
	if _, err := keep(t, p, "a", 2<<20); !errors.As(err, &busy) || !busy.Owner || !strings.Contains(err.Error(), "6 MiB from one address") {
		t.Errorf("beyond its share: %v", err)
	}
	if _, err := keep(t, p, "b", 4<<20); err != nil {
		t.Errorf("another's share: %v", err)
	}
	if _, err := keep(t, p, "c", 2<<20); !errors.As(err, &busy) || busy.Owner || !strings.Contains(err.Error(), "10 MiB at a time") {
		t.Errorf("beyond the budget: %v", err)
	}
	if _, err := keep(t, p, "c", 500<<10); err != nil {
		t.Errorf("what is left: %v", err)
	}
	patient, _ := pool(t, func(c *spool.Config) { c.Wait = time.Minute })
	first, err := keep(t, patient, "a", 5<<20)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := patient.Read(context.Background(), "a", bytes.NewReader(make([]byte, 4<<20)), 64<<20)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	first.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	a.Close()
	a.Close() // twice is once
	if _, err := keep(t, p, "a", 5<<20); err != nil {
		t.Errorf("after it was given back: %v", err)
	}
}

// What is in memory has a bound of its own, beyond which files are used sooner.
func TestMemoryIsBounded(t *testing.T) {
	p, _ := pool(t)
	inMemory := 0
	for range 20 {
		b, err := keep(t, p, "a", 90<<10)
		if err != nil {
			t.Fatal(err)
		}
		inMemory += b.InMemory()
	}
	if inMemory == 0 || inMemory > 300<<10 {
		t.Errorf("%d bytes are in memory", inMemory)
	}
}

// A disk that is full takes no files; what fits into memory is taken.
func TestTheDisksReserve(t *testing.T) {
	full := errors.New("full")
	p, _ := pool(t, func(c *spool.Config) { c.Room = func() error { return full } })
	if _, err := keep(t, p, "a", 200<<10); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if _, err := keep(t, p, "a", 90<<10); err != nil {
		t.Error(err)
	}
}

func TestWaitingEndsWithItsReason(t *testing.T) {
	p, _ := pool(t, func(c *spool.Config) { c.Wait = time.Minute })
	if _, err := keep(t, p, "a", 6<<20); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	time.AfterFunc(20*time.Millisecond, func() { cancel(gone) })
	if _, err := p.Read(ctx, "a", bytes.NewReader(make([]byte, 1<<20)), 64<<20); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

// What is made of a body keeps its place in the budget; a little of each is free.
func TestWhatIsMadeOfABody(t *testing.T) {
	p, _ := pool(t, func(c *spool.Config) { c.Free, c.Weight = 1<<20, 2 })
	a, err := keep(t, p, "a", 3<<20)
	if err != nil {
		t.Fatal(err)
	}
	a.Use()
	if _, err := keep(t, p, "a", 3<<20); err == nil || a.Len() != 0 {
		t.Error("its share is used up")
	}
	for range 5 {
		if _, err := keep(t, p, "a", 1<<20); err != nil {
			t.Errorf("what is free: %v", err)
		}
	}
	a.Close()
	if _, err := keep(t, p, "a", 4<<20); err != nil {
		t.Errorf("what it gave back: %v", err)
	}
}
