package cluster

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchdogReportsADiskThatDoesNotAnswer(t *testing.T) {
	broken := errors.New("input/output error")
	for name, c := range map[string]struct {
		probe func(ctx context.Context, n int) error // n-th probe
		want  error
	}{
		"healthy": {probe: func(context.Context, int) error { return nil }},
		"slow":    {probe: func(context.Context, int) error { time.Sleep(1500 * time.Millisecond); return nil }},
		"hiccup": {probe: func(ctx context.Context, n int) error {
			if n == 3 {
				return broken
			}
			return nil
		}},
		"hung": {probe: func(ctx context.Context, n int) error {
			if n == 3 {
				<-ctx.Done()
			}
			return nil
		}, want: ErrDiskHung},
		"failing": {probe: func(ctx context.Context, n int) error {
			if n >= 3 {
				return broken
			}
			return nil
		}, want: broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				w := newWatchdog("", 2*time.Second, nil)
				n := 0
				w.probe = func() error { n++; return c.probe(ctx, n) }
				start := time.Now()
				err := w.run(ctx)
				if !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
				if took := time.Since(start); c.want != nil && took > 6*time.Second {
					t.Errorf("noticed after %v, the third probe was due after 3s", took)
				}
			})
		})
	}
}

func TestProbeDiskSyncs(t *testing.T) {
	path := t.TempDir() + "/probe"
	synced := 0
	for range 2 {
		if err := probeDisk(path, func(*os.File) error { synced++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if synced != 2 {
		t.Errorf("synced %d times, want 2", synced)
	}
	failure := errors.New("injected")
	if err := probeDisk(path, func(*os.File) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}
