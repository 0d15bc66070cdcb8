// Package spool keeps what has to be whole before it is used: requests and answers of
// strangers, whose size is theirs to choose. The beginning of each is kept in memory,
// the rest in a file without a name; all together have a budget, and so has each of
// those that they come from, so that none of them takes what the others need.
//
// It bounds bytes. For how long they are kept is up to whoever reads them.
package spool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gitmirror/internal/disk"
)

// Config bounds a Pool.
type Config struct {
	Disk   *disk.Disk    // default this machine's
	Dir    string        // where files are made; they are gone with the process
	Memory int           // bytes of one body that are kept in memory
	InAll  int64         // bytes of all bodies in memory; what comes later goes to files sooner
	Total  int64         // bytes of all bodies, wherever they are
	Share  int64         // of them for one owner; 0 for all
	Free   int64         // bytes of each body that count for nothing: most have no more
	Weight int64         // what each other byte counts for: what is made of it takes room too; default 1
	Wait   time.Duration // for room
	Room   func() error  // why the disk takes nothing more; nil where it does; may be nil
	Class  string        // of bodies, for people: "requests of clients"
	// Reuse has the memory of bodies that were closed used again for others: whoever
	// reads one has ended by then.
	Reuse bool
}

// Pool is what bodies share. It is safe for concurrent use.
type Pool struct {
	cfg Config

	mu       sync.Mutex
	used     int64
	inMemory int64
	owners   map[string]int64
	freed    chan struct{} // closed when something is given back; nil while nobody waits
}

// New returns an empty Pool.
func New(cfg Config) *Pool {
	if cfg.Share == 0 {
		cfg.Share = cfg.Total
	}
	cfg.Weight = max(cfg.Weight, 1)
	return &Pool{cfg: cfg, owners: map[string]int64{}}
}

// ErrTooLarge says that one body has more bytes than it may.
var ErrTooLarge = errors.New("too large")

// BusyError says that there was no room for a body, for as long as it could wait.
type BusyError struct {
	Class string
	Total int64
	Owner bool // it is the owner's share that is used up
}

func (e *BusyError) Error() string {
	if e.Owner {
		return fmt.Sprintf("%s have %d MiB from one address at a time, and those are in use", e.Class, e.Total>>20)
	}
	return fmt.Sprintf("%s have %d MiB at a time, and those are in use", e.Class, e.Total>>20)
}

// RoomError says that the disk takes no more.
type RoomError struct{ Err error }

func (e *RoomError) Error() string { return e.Err.Error() }
func (e *RoomError) Unwrap() error { return e.Err }

// take waits for n bytes of the budget.
func (p *Pool) take(ctx context.Context, owner string, n int64) error {
	var late <-chan time.Time
	for {
		p.mu.Lock()
		mine := p.owners[owner]+n > p.cfg.Share
		if !mine && p.used+n <= p.cfg.Total {
			p.used += n
			p.owners[owner] += n
			p.mu.Unlock()
			return nil
		}
		if p.freed == nil {
			p.freed = make(chan struct{})
		}
		freed := p.freed
		p.mu.Unlock()
		if late == nil {
			// Not all the same: of several that hold a part each and wait for more, the
			// first that gives up makes room for the others.
			timer := time.NewTimer(p.cfg.Wait/2 + rand.N(p.cfg.Wait+1))
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-freed:
		case <-late:
			total := p.cfg.Total
			if mine {
				total = p.cfg.Share
			}
			return &BusyError{Class: p.cfg.Class, Total: total, Owner: mine && p.cfg.Share < p.cfg.Total}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Pool) give(owner string, n int64) {
	if n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= n
	if p.owners[owner] -= n; p.owners[owner] == 0 {
		delete(p.owners, owner)
	}
	if p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
}

// memory takes n bytes of what may be in memory, if there are as many.
func (p *Pool) memory(n int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inMemory+n > p.cfg.InAll {
		return false
	}
	p.inMemory += n
	return true
}

// What is in memory is in pieces, which need not be copied to make room for more. Most
// bodies have one, a small one.
const (
	firstPiece = 4 << 10
	piece      = 32 << 10
)

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

func (p *Pool) piece(size int) []byte {
	if p.cfg.Reuse && size == piece {
		return pieces.Get().(*[piece]byte)[:0]
	}
	return make([]byte, 0, size)
}

// forget gives back n bytes of what may be in memory, which those were.
func (p *Pool) forget(n int64, was [][]byte) {
	for _, b := range was {
		if p.cfg.Reuse && cap(b) == piece {
			pieces.Put((*[piece]byte)(b[:piece]))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inMemory -= n
}

// file makes a file without a name.
func (p *Pool) file() (*disk.File, error) {
	if p.cfg.Room != nil {
		if err := p.cfg.Room(); err != nil {
			return nil, &RoomError{err}
		}
	}
	f, err := p.cfg.Disk.CreateTemp(p.cfg.Dir, "spool.")
	if err != nil {
		return nil, err
	}
	if err := p.cfg.Disk.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
