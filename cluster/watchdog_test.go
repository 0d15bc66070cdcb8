package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/disk"
)

func TestWatchdogDecides(t *testing.T) {
	broken := errors.New("input/output error")
	hung := func(ctx context.Context, n int) error {
		if n >= 3 {
			<-ctx.Done()
		}
		return nil
	}
	failing := func(ctx context.Context, n int) error {
		if n >= 3 {
			return broken
		}
		return nil
	}
	for name, c := range map[string]struct {
		probe       func(ctx context.Context, n int) error // n-th probe, one a second
		replaceable func(since time.Duration) bool
		after       time.Duration // of the third probe
		want        error
	}{
		"healthy": {probe: func(context.Context, int) error { return nil }},
		"slow":    {probe: func(context.Context, int) error { time.Sleep(1500 * time.Millisecond); return nil }},
		"slow once, long ago": {probe: func(_ context.Context, n int) error {
			if n == 3 {
				time.Sleep(1500 * time.Millisecond)
			}
			return nil
		}},
		"hiccup": {probe: func(_ context.Context, n int) error {
			if n == 3 {
				return broken
			}
			return nil
		}},
		"hangs for 20 s, then is well": {probe: func(_ context.Context, n int) error {
			if n == 3 {
				time.Sleep(20 * time.Second)
			}
			return nil
		}},
		"hung, others can do without": {hung, func(time.Duration) bool { return true }, 2 * time.Second, ErrDiskHung},
		"hung, others cannot":         {hung, func(time.Duration) bool { return false }, 30 * time.Second, ErrDiskHung},
		"hung, others can later":      {hung, func(since time.Duration) bool { return since > 10*time.Second }, 10 * time.Second, ErrDiskHung},
		"failing, others can":         {failing, func(time.Duration) bool { return true }, 2 * time.Second, broken},
		"failing, others cannot":      {failing, func(time.Duration) bool { return false }, 30 * time.Second, broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
				defer cancel()
				start := time.Now().Add(3 * time.Second)
				var health diskHealth
				w := newWatchdog(Config{}.withDefaults(""), func() bool {
					return c.replaceable != nil && c.replaceable(time.Since(start))
				}, &health)
				n := 0
				w.probe = func() error { n++; return c.probe(ctx, n) }
				err := w.run(ctx)
				if !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
				if took := time.Since(start); c.want != nil && (took < c.after-time.Second/2 || took > c.after+time.Second/2) {
					t.Errorf("it ended %v after the third probe, want %v", took, c.after)
				}
				if hangs := health.hangs(); c.want != nil && !hangs || c.want == nil && name != "slow" && hangs {
					t.Errorf("it hangs: %v", hangs)
				}
				if since := health.hung.Load(); c.want != nil && since.Sub(start).Abs() > time.Second {
					t.Errorf("it hangs since %v after the third probe", since.Sub(start))
				}
			})
		})
	}
}

// A disk that all nodes share must show as hanging on all of them before the
// leader among them would end.
func TestAHangIsKnownBeforeItIsActedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var health diskHealth
		w := newWatchdog(Config{}.withDefaults(""), func() bool { return false }, &health)
		w.probe = func() error { <-ctx.Done(); return nil }
		go func() { _ = w.run(ctx) }()
		// The probe may be sent a whole interval after the disk began to hang.
		time.Sleep(1700 * time.Millisecond)
		if !health.hangs() {
			t.Error("not known after 1.7 s, and a leader may end after 2 s")
		}
		cancel()
		synctest.Wait()
	})
}

// The log alone may hang while the probe's file can be written.
func TestAWriteThatDoesNotEndIsAHang(t *testing.T) {
	for name, c := range map[string]struct {
		replaceable bool
		takes       time.Duration // a write, one a second
		waiting     bool          // another write waits for it all the time
		after       time.Duration // it ends; 0: never
	}{
		"quick":                       {takes: 100 * time.Millisecond},
		"many, each quick":            {replaceable: true, takes: 999 * time.Millisecond, waiting: true},
		"long":                        {takes: 20 * time.Second},
		"long, others can do without": {replaceable: true, takes: 20 * time.Second, after: 2 * time.Second},
		"for ever":                    {takes: time.Hour, after: 30 * time.Second},
		"for ever, another waits":     {replaceable: true, takes: time.Hour, waiting: true, after: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
				defer cancel()
				var running writes
				go func() {
					for ctx.Err() == nil {
						end := running.begin("append")
						var waited func()
						if c.waiting {
							waited = running.begin("delete")
						}
						select {
						case <-time.After(c.takes):
						case <-ctx.Done():
						}
						end()
						if waited != nil {
							waited()
						}
						select {
						case <-time.After(time.Second):
						case <-ctx.Done():
						}
					}
				}()
				var health diskHealth
				w := newWatchdog(Config{}.withDefaults(""), func() bool { return c.replaceable }, &health)
				w.probe = func() error { return nil }
				w.oldest = running.oldest
				start := time.Now()
				err := w.run(ctx)
				switch took := time.Since(start); {
				case c.after == 0 && err != nil:
					t.Errorf("it ended after %v with %v", took, err)
				case c.after > 0 && (!errors.Is(err, ErrDiskHung) || !strings.Contains(err.Error(), "append")):
					t.Errorf("it ended with %v, want a hang that names the write", err)
				case c.after > 0 && (took < c.after || took > c.after+time.Second/2):
					t.Errorf("it ended after %v, want %v", took, c.after)
				}
				if c.after > 0 && !health.hangs() {
					t.Error("it ended, and the disk does not hang")
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

func TestProbeSyncsAFileThatStaysOpen(t *testing.T) {
	synced := 0
	var failure error
	p := &probeFile{path: t.TempDir() + "/probe", disk: disk.New(func(op disk.Op) error {
		if op.Name == "sync" {
			synced++
			return failure
		}
		return nil
	})}
	defer p.close()
	if err := p.probe(); err != nil {
		t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	kept := p.probe()
	fresh := (&probeFile{path: t.TempDir() + "/probe"}).probe()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if kept != nil || fresh != nil {
		t.Errorf("without a descriptor left: %v; before the first probe: %v", kept, fresh)
	}
	if synced != 2 {
		t.Errorf("synced %d times, want 2", synced)
	}
	failure = errors.New("injected")
	if err := p.probe(); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

// A file that no name leads to can be written to for ever.
func TestProbeNoticesThatItsDirectoryWasTakenAway(t *testing.T) {
	for name, replace := range map[string]bool{"taken away": false, "replaced": true} {
		dir := filepath.Join(t.TempDir(), "raft")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		p := &probeFile{path: filepath.Join(dir, "probe")}
		defer p.close()
		if err := p.probe(); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir, dir+".old"); err != nil {
			t.Fatal(err)
		}
		if replace {
			if err := os.CopyFS(dir, os.DirFS(dir+".old")); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.probe(); err == nil {
			t.Errorf("a directory that was %s is not noticed", name)
		}
	}
}
