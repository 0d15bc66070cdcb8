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
// take what is written where no lock is held over that, or not take it while it is frozen: the log, the
// file that its watchdog writes, and what is fetched. Who waits for a lock holds up the time of a world.
type platter struct {
	mu   sync.Mutex
	mood string        // "", "full", or "failing" for what is done next
	lag  time.Duration // how long a write to the log takes
	cold chan struct{} // closed when it is not frozen any more, nil while it is not
	ice  *ice          // is told when it is
	warm func()        // that it is not any more
	last bool          // it is not frozen any more
	left int           // operations until it is gone, 0 for any number
	hurt bool          // an operation has failed
	gone chan struct{}
	seen func(disk.Op) // is told what is about to be done
}

func newPlatter(seen func(disk.Op), ice *ice) *platter {
	return &platter{gone: make(chan struct{}), seen: seen, ice: ice}
}

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
	if slices.Contains(changes, op.Name) {
		var err error
		switch filepath.Base(op.Path) {
		case "raft.db":
			err = p.wait()
		case "probe": // of the watchdog, which takes no disk of ours that is only slow for one that hangs
			err = p.whileFrozen()
		}
		if err != nil {
			return err
		}
	}
	p.seen(op)
	return nil
}

// wait is as long as something takes that is written. It fails where the disk is gone meanwhile.
func (p *platter) wait() error {
	p.mu.Lock()
	lag := p.lag
	p.mu.Unlock()
	if lag > 0 {
		select {
		case <-time.After(lag):
		case <-p.gone:
			return p.fail(syscall.EIO)
		}
	}
	return p.whileFrozen()
}

// whileFrozen waits until it is not frozen, and fails where it is gone before.
func (p *platter) whileFrozen() error {
	p.mu.Lock()
	cold := p.cold
	p.mu.Unlock()
	if cold == nil {
		return nil
	}
	select {
	case <-cold:
	case <-p.gone:
	}
	if p.isGone() {
		return p.fail(syscall.EIO)
	}
	return nil
}

// freeze has nothing end that is written from now on, until thaw.
func (p *platter) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cold == nil && !p.last {
		p.cold, p.warm = make(chan struct{}), p.ice.freezes()
	}
}

func (p *platter) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.melt()
}

// keepThawed ends it for good: nobody waits for a process to stop whose disk is frozen.
func (p *platter) keepThawed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = true
	p.melt()
}

// melt is thaw with the lock held.
func (p *platter) melt() {
	if p.cold != nil {
		close(p.cold)
		p.cold = nil
		p.warm()
	}
}

func (p *platter) frozen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cold != nil
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
	p.last = true
	select {
	case <-p.gone:
	default:
		close(p.gone)
		p.melt()
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
