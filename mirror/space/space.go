// Package space watches the disk that the copies are on: how much of it is free,
// and whether it takes what is written.
//
// It promises that a condition is noticed within some seconds, and its end too,
// without anybody's help. It frees nothing.
package space

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"gitmirror/internal/disk"
)

// State is what a disk takes.
type State string

// The states; each takes less than the one before. The names are part of the
// log.
const (
	Well    State = ""
	Low     State = "low"     // no new copies
	Full    State = "full"    // nothing that makes a copy larger
	Failing State = "failing" // nothing: writes end in errors
)

// Condition is a state, and why.
type Condition struct {
	State   State
	Message string
}

// Takes tells whether objects may be fetched, for a first copy or another.
func (c Condition) Takes(first bool) bool {
	return c.State == Well || c.State == Low && !first
}

const (
	every = 5 * time.Second

	// probeLimit is how long a write may take before the disk counts as failing.
	probeLimit = 30 * time.Second

	// margin is how far above a bound the free share must be for the condition to
	// end: a disk at the bound must not flap.
	margin = 0.5
)

// Guard watches one directory's disk. It is safe for concurrent use.
type Guard struct {
	low, full float64 // percent free
	usage     func() (disk.Usage, error)
	probe     func() error
	changed   func()

	mu   sync.Mutex
	now  Condition
	last disk.Usage // when it was looked at last
	poke chan struct{}
}

// New returns a Guard of a disk, by a directory on it. Below reserve percent free the disk is low, below
// half of it full. changed is called, without a lock held, after the condition
// has changed; it must not block.
func New(d *disk.Disk, dir string, reserve float64, changed func()) *Guard {
	return &Guard{
		low: reserve, full: reserve / 2, changed: changed, poke: make(chan struct{}, 1),
		usage: func() (disk.Usage, error) { return d.Usage(dir) },
		probe: func() error { return write(d, filepath.Join(dir, "probe")) },
	}
}

// Now is the present condition.
func (g *Guard) Now() Condition {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

// Usage is how much of the disk was in use when it was looked at last, some seconds ago, or
// longer where it does not answer; zero before that. It does not block.
func (g *Guard) Usage() disk.Usage {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// Room looks now, and says why nothing more may be fetched, for a first copy or
// another: what a fetch has staged counts while it comes.
func (g *Guard) Room(first bool) error {
	u, err := g.usage()
	if err != nil {
		return nil // the next look says more
	}
	least := g.full
	if first {
		least = g.low
	}
	if u.FreePercent < least {
		return fmt.Errorf("%.1f %% of the disk is free (%d MiB), %s is to stay so", u.FreePercent, u.FreeBytes>>20, percent(least))
	}
	return nil
}

// RoomFor says why a file of so many bytes would be too much: below the reserve.
func (g *Guard) RoomFor(bytes int64) error {
	u, err := g.usage()
	if err != nil || u.Bytes == 0 {
		return err
	}
	if left := u.FreePercent - 100*float64(bytes)/float64(u.Bytes); left < g.low {
		return fmt.Errorf("%d MiB more would leave %.1f %% of the disk free, %s is to stay so", bytes>>20, left, percent(g.low))
	}
	return nil
}

// Suspect has the disk looked at now: a write has just failed.
func (g *Guard) Suspect() {
	select {
	case g.poke <- struct{}{}:
	default:
	}
}

// Run looks until ctx ends. A probe that hangs is left behind.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		g.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-g.poke:
		}
	}
}

func (g *Guard) look(ctx context.Context) {
	answer := make(chan error, 1)
	go func() { answer <- g.probe() }()
	late := time.NewTimer(probeLimit)
	defer late.Stop()
	for {
		select {
		case err := <-answer:
			g.set(g.judge(err))
			return
		case <-late.C:
			g.set(Condition{Failing, fmt.Sprintf("a write has not ended for %s", probeLimit)})
		case <-ctx.Done():
			return
		}
	}
}

func (g *Guard) judge(probed error) Condition {
	u, err := g.usage()
	if err == nil {
		g.mu.Lock()
		g.last = u
		g.mu.Unlock()
	}
	switch {
	case errors.Is(probed, syscall.ENOSPC), errors.Is(probed, syscall.EDQUOT):
		return Condition{Full, "nothing is free: " + probed.Error()}
	case errors.Is(probed, syscall.EMFILE), errors.Is(probed, syscall.ENFILE):
		// This process is short of descriptors; its disk may be fine.
	case probed != nil:
		return Condition{Failing, "a write failed: " + probed.Error()}
	}
	if err != nil {
		return Condition{Failing, "its free space cannot be read: " + err.Error()}
	}
	low, full := g.low, g.full
	switch g.Now().State {
	case Full:
		full += margin
		low += margin
	case Low:
		low += margin
	}
	said := fmt.Sprintf("%.1f %% of the disk is free (%d MiB)", u.FreePercent, u.FreeBytes>>20)
	switch {
	case u.FreePercent < full:
		return Condition{Full, said + "; nothing is fetched below " + percent(g.full)}
	case u.FreePercent < low:
		return Condition{Low, said + "; no new copy is made below " + percent(g.low)}
	}
	return Condition{}
}

func percent(p float64) string { return fmt.Sprintf("%g %%", p) }

// set changes the condition. What differs in numbers alone is no change.
func (g *Guard) set(c Condition) {
	g.mu.Lock()
	same := g.now.State == c.State
	if !same {
		g.now = c
	}
	g.mu.Unlock()
	if !same && g.changed != nil {
		g.changed()
	}
}

// write proves that the disk takes a block and keeps it.
func write(d *disk.Disk, path string) (err error) {
	f, err := d.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		return err
	}
	return f.Sync()
}
