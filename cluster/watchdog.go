package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	probeInterval = time.Second
	watchTick     = 100 * time.Millisecond
)

// watchdog probes a disk. A leader whose disk hangs goes on sending
// heartbeats, so nobody takes over, and nothing can be committed.
type watchdog struct {
	probe func() error // returns when the disk has answered
	tick  time.Duration
	every int // ticks between probes
	limit int // ticks without an answer that are too many
}

func newWatchdog(dir string, timeout time.Duration, fsync func(*os.File) error) *watchdog {
	path := filepath.Join(dir, "probe")
	return &watchdog{
		probe: func() error { return probeDisk(path, fsync) },
		tick:  watchTick,
		every: int(probeInterval / watchTick),
		limit: max(1, int(timeout/watchTick)),
	}
}

func probeDisk(path string, fsync func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(time.Now().Format(time.RFC3339Nano)), 0); err != nil {
		return err
	}
	return fsync(f)
}

// run returns an error when the disk has not answered well for too long, and
// nil when ctx ends. It counts ticks of its own instead of time, so that a
// process that was stopped for a while does not blame the disk. A probe that
// never returns keeps its goroutine: the process is about to end.
func (w *watchdog) run(ctx context.Context) error {
	ticker := time.NewTicker(w.tick)
	defer ticker.Stop()
	var (
		answer    = make(chan error, 1)
		pending   = false
		unhealthy = 0       // ticks since the first probe that went unanswered was sent
		untilNext = w.every // ticks
		last      error
	)
	for {
		select {
		case <-ctx.Done():
			if pending {
				return w.drain(answer)
			}
			return nil
		case last = <-answer:
			pending = false
			if last == nil {
				unhealthy = 0
			}
			continue
		case <-ticker.C:
		}
		if pending || last != nil {
			if unhealthy++; unhealthy >= w.limit {
				return diskError(last, time.Duration(unhealthy)*w.tick)
			}
		}
		if untilNext--; untilNext <= 0 && !pending {
			untilNext, pending = w.every, true
			go func() { answer <- w.probe() }()
		}
	}
}

// drain waits a moment for the probe in flight, so that a healthy shutdown
// leaves no goroutine behind.
func (w *watchdog) drain(answer <-chan error) error {
	select {
	case <-answer:
	case <-time.After(time.Duration(w.limit) * w.tick):
	}
	return nil
}

func diskError(last error, took time.Duration) error {
	if last != nil {
		return fmt.Errorf("%w for %v: %w", ErrDiskHung, took, last)
	}
	return fmt.Errorf("%w for %v", ErrDiskHung, took)
}
