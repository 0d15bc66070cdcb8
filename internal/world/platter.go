package world

import (
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"gitmirror/internal/disk"
)

// platter is a machine's disk, as one process on it has it: it can be full, read-only, or fail once, and
// it is gone for good in the middle of what the process does when that is killed. It can be slow to
// take what is written where no lock is held over that, the log and what is fetched: who waits for
// a lock holds up the time of a world.
type platter struct {
	mu   sync.Mutex
	mood string        // "", "full", or "failing" for what is done next
	lag  time.Duration // how long a write to the log takes
	left int           // operations until it is gone, 0 for any number
	hurt bool          // an operation has failed
	gone chan struct{}
	seen func(disk.Op) // is told what is about to be done
}

func newPlatter(seen func(disk.Op)) *platter { return &platter{gone: make(chan struct{}), seen: seen} }

var (
	// writes are operations that take room.
	writes = []string{"write", "create", "mkdir", "allocate", "append", "set"}
	// changes are all that change something.
	changes = append([]string{"rename", "remove", "delete", "sync"}, writes...)
)

func (p *platter) disk() *disk.Disk { return disk.New(p.before) }

// before refuses an operation, or lets it be done.
func (p *platter) before(op disk.Op) error {
	switch mood := p.next(); {
	case mood == "gone" || mood == "failing":
		return p.fail(syscall.EIO)
	case mood == "readonly" && slices.Contains(changes, op.Name):
		return p.fail(syscall.EROFS)
	case mood == "full" && slices.Contains(writes, op.Name):
		return p.fail(syscall.ENOSPC)
	}
	if filepath.Base(op.Path) == "raft.db" && slices.Contains(changes, op.Name) {
		p.wait()
	}
	p.seen(op)
	return nil
}

// wait is as long as something takes that is written, or until the disk is gone.
func (p *platter) wait() {
	p.mu.Lock()
	lag := p.lag
	p.mu.Unlock()
	if lag == 0 {
		return
	}
	select {
	case <-time.After(lag):
	case <-p.gone:
	}
}

// drag has everything that is written take so long.
func (p *platter) drag(lag time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag = lag
}

func (p *platter) fail(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurt = true
	return err
}

// hasFailed tells whether any operation has.
func (p *platter) hasFailed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hurt
}

// next is how the disk is for one operation.
func (p *platter) next() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left > 0 {
		if p.left--; p.left == 0 {
			p.end()
		}
	}
	select {
	case <-p.gone:
		return "gone"
	default:
	}
	mood := p.mood
	if mood == "failing" {
		p.mood = ""
	}
	return mood
}

// end has nothing be written any more. The lock is held.
func (p *platter) end() {
	p.left = 0
	select {
	case <-p.gone:
	default:
		close(p.gone)
	}
}

func (p *platter) isGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// feel changes how the disk is.
func (p *platter) feel(mood string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mood = mood
}

// goAfter has the disk be gone at the n-th operation from now.
func (p *platter) goAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}

// goNow has it be gone.
func (p *platter) goNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
}
