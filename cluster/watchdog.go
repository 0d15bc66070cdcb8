package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"gitmirror/internal/disk"
)

const (
	probeInterval = time.Second
	watchTick     = 100 * time.Millisecond

	// slowAnswer is how long a probe may take before the disk counts as one
	// that hangs. It is well below DiskTimeout: of nodes that share a disk, all
	// should say so by the time that one might end.
	slowAnswer = 500 * time.Millisecond
)

// watchdog probes a disk, and looks at the writes to the log. A leader whose disk
// hangs goes on sending heartbeats, so nobody takes over, and nothing can be
// committed. But a disk that hangs for all is not better elsewhere, so only who
// can be replaced ends soon.
type watchdog struct {
	probe       func() error                  // returns when the disk has answered
	oldest      func() (id uint64, op string) // see writes
	end         func()                        // releases what probe holds
	replaceable func() bool                   // may this node end now because others can do without it?
	tick        time.Duration
	every       int // ticks between probes
	soon        int // ticks without an answer, or of one write, that are too many for who can be replaced
	limit       int // and for everybody
	health      *diskHealth
}

// diskHealth is what a watchdog sees.
type diskHealth struct {
	hung atomic.Pointer[time.Time] // since when the disk hangs; nil while it does not
}

func (d *diskHealth) hangs() bool { return d.hung.Load() != nil }

// see notes for how long an answer, or the end of a write, has been waited for.
func (d *diskHealth) see(waited time.Duration) {
	switch {
	case waited < slowAnswer:
		d.hung.Store(nil)
	case !d.hangs():
		since := time.Now().Add(-waited)
		d.hung.Store(&since)
	}
}

// DiskHangs says whether the disk of the raft directory has not answered for
// half a second, or longer, or only with errors, or has not ended a write to the
// log.
func (c *Cluster) DiskHangs() bool { return c.disk.hangs() }

// DiskHungSince is since when it hangs, zero while it does not.
func (c *Cluster) DiskHungSince() time.Time {
	if since := c.disk.hung.Load(); since != nil {
		return *since
	}
	return time.Time{}
}

// watchDisk returns when the node has to end over its disk, or ctx has ended.
func (c *Cluster) watchDisk(ctx context.Context) error {
	replaceable := func() bool { return c.cfg.Replaceable != nil && c.IsLeader() && c.cfg.Replaceable() }
	w := newWatchdog(c.cfg, replaceable, &c.disk)
	w.oldest = c.store.ledger.writes.oldest
	return w.run(ctx)
}

func newWatchdog(cfg Config, replaceable func() bool, health *diskHealth) *watchdog {
	p := &probeFile{path: filepath.Join(cfg.Dir, "probe"), disk: cfg.Disk}
	return &watchdog{
		probe:       p.probe,
		oldest:      new(writes).oldest,
		end:         p.close,
		replaceable: replaceable,
		tick:        watchTick,
		every:       int(probeInterval / watchTick),
		soon:        max(1, int(cfg.DiskTimeout/watchTick)),
		limit:       max(1, int(cfg.DiskPatience/watchTick)),
		health:      health,
	}
}

// probeFile is kept open: a lack of descriptors is not a dead disk.
type probeFile struct {
	path string
	disk *disk.Disk
	file *disk.File
}

func (p *probeFile) probe() error {
	if p.file == nil {
		f, err := p.disk.OpenFile(p.path, os.O_WRONLY|os.O_CREATE, 0o600)
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			return nil
		}
		if err != nil {
			return err
		}
		p.file = f
	}
	if _, err := p.file.WriteAt([]byte(time.Now().Format(time.RFC3339Nano)), 0); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	// What was taken away can be written to for ever.
	named, err := p.disk.Stat(p.path)
	if err != nil {
		return fmt.Errorf("the raft directory was taken away: %w", err)
	}
	opened, err := p.file.Stat()
	if err == nil && !os.SameFile(named, opened) {
		err = errors.New("the raft directory was replaced")
	}
	return err
}

func (p *probeFile) close() {
	if p.file != nil {
		_ = p.file.Close()
	}
}

// run returns an error when the disk has not answered well for too long, or a
// write to the log has not ended, and nil when ctx ends. It counts ticks of its own
// instead of time, so that a process that was stopped for a while does not blame the
// disk. A probe that never returns keeps its goroutine: the process is about to end.
func (w *watchdog) run(ctx context.Context) error {
	ticker := time.NewTicker(w.tick)
	defer ticker.Stop()
	var (
		answer    = make(chan error, 1)
		pending   = false
		unhealthy = 0       // ticks since the first probe that went unanswered was sent
		untilNext = w.every // ticks
		write     oldestWrite
		last      error
	)
	for {
		select {
		case <-ctx.Done():
			if !pending || w.drain(answer) {
				w.end()
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
			unhealthy++
		}
		write.look(w.oldest())
		waited := max(unhealthy, write.ticks)
		w.health.see(time.Duration(waited) * w.tick)
		if waited >= w.limit || waited >= w.soon && w.replaceable() {
			if write.ticks > unhealthy {
				last = fmt.Errorf("a write to %s has not ended (%s)", storeFile, write.op)
			}
			return diskError(last, time.Duration(waited)*w.tick)
		}
		if untilNext--; untilNext <= 0 && !pending {
			untilNext, pending = w.every, true
			go func() { answer <- w.probe() }()
		}
	}
}

// drain waits a moment for the probe in flight, so that a healthy shutdown
// leaves no goroutine behind.
func (w *watchdog) drain(answer <-chan error) bool {
	select {
	case <-answer:
		return true
	case <-time.After(time.Duration(w.soon) * w.tick):
		return false
	}
}

func diskError(last error, took time.Duration) error {
	if last != nil {
		return fmt.Errorf("%w for %v: %w", ErrDiskHung, took, last)
	}
	return fmt.Errorf("%w for %v", ErrDiskHung, took)
}
