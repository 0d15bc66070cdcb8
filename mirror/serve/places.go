package serve

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// places bounds how many packs are made at once. Each costs git's memory, so those who
// come later wait, the first to come first. While somebody waits, a client that takes
// hardly anything of what waits for it loses its place: sixteen that read two bytes a
// second would otherwise stop a node. Before that, one that takes nothing for a moment
// lends its place: git waits for it, and costs no more than its memory.
type places struct {
	mu      sync.Mutex
	free    int
	mayLend int             // as many as there are places
	waiting []chan struct{} // closed when a place is given
	taken   map[*place]struct{}
}

const (
	// slowWindow is how long a client keeps us waiting before it may be called slow,
	// and slowRate, in bytes a second, is what it must take meanwhile.
	slowWindow = 30 * time.Second
	slowRate   = 10_000

	// lendAfter is how long one write of 32 KiB at most takes until the place is lent.
	lendAfter = 4 * time.Second

	lookAtSlow = time.Second
)

// errSlow is why a client lost its place.
var errSlow = errors.New("the client takes too little, and others wait")

func newPlaces(n int64) *places {
	return &places{free: int(n), mayLend: int(n), taken: map[*place]struct{}{}}
}

// place is one of them. What the pack is written through is its writer.
type place struct {
	context.Context // ends when the place is lost
	end             context.CancelCauseFunc
	all             *places

	mu      sync.Mutex
	bytes   int           // written in this window
	blocked time.Duration // spent in writes in it
	writing time.Time     // since when a write is under way; zero for none

	released, lent bool // guarded by all.mu
}

// take waits for a place until ctx ends. The place has to be released.
func (p *places) take(ctx context.Context) (*place, error) {
	p.mu.Lock()
	if p.free > 0 && len(p.waiting) == 0 {
		defer p.mu.Unlock()
		p.free--
		return p.begin(ctx), nil
	}
	given := make(chan struct{})
	p.waiting = append(p.waiting, given)
	p.mu.Unlock()
	look := time.NewTicker(lookAtSlow)
	defer look.Stop()
	for {
		select {
		case <-given:
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.begin(ctx), nil
		case <-look.C:
			p.endSlowest(given)
			p.lend(given)
		case <-ctx.Done():
			p.leave(given)
			return nil, context.Cause(ctx)
		}
	}
}

// load counts those that have a place and those that wait for one.
func (p *places) load() (running, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.taken), len(p.waiting)
}

// begin makes a place of a free one. p.mu is held.
func (p *places) begin(ctx context.Context) *place {
	pl := &place{all: p}
	pl.Context, pl.end = context.WithCancelCause(ctx)
	p.taken[pl] = struct{}{}
	return pl
}

// give hands a place to who has waited for longest. p.mu is held.
func (p *places) give() {
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	close(p.waiting[0])
	p.waiting = p.waiting[1:]
}

// leave takes back a wait.
func (p *places) leave(given chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w == given {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return
		}
	}
	p.give() // it was given just now
}

// endSlowest ends one slow client. Of those who wait the first one looks.
func (p *places) endSlowest(given chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || p.waiting[0] != given {
		return
	}
	now := time.Now()
	var slow *place
	for pl := range p.taken {
		if pl.Err() != nil {
			return // it is about to be released
		}
		if pl.slow(now) {
			slow = pl
		}
	}
	if slow != nil {
		slow.end(errSlow)
	}
}

// lend gives the place of a client that takes nothing now to the first that waits.
func (p *places) lend(given chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || p.waiting[0] != given || p.mayLend == 0 {
		return
	}
	now := time.Now()
	for pl := range p.taken {
		if !pl.lent && pl.stuck(now) {
			pl.lent = true
			p.mayLend--
			p.give()
			return
		}
	}
}

func (pl *place) stuck(now time.Time) bool {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	return !pl.writing.IsZero() && now.Sub(pl.writing) >= lendAfter
}

func (pl *place) release() {
	pl.end(nil)
	pl.all.mu.Lock()
	defer pl.all.mu.Unlock()
	if !pl.released {
		pl.released = true
		delete(pl.all.taken, pl)
		if pl.lent {
			pl.all.mayLend++ // who it was lent to gives it back
			return
		}
		pl.all.give()
	}
}

// slow tells whether the client has taken too little of what waited for it. Time in
// which git had nothing to send does not count.
func (pl *place) slow(now time.Time) bool {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	blocked := pl.blocked
	if !pl.writing.IsZero() {
		blocked += now.Sub(pl.writing)
	}
	return blocked >= slowWindow && float64(pl.bytes) < slowRate*blocked.Seconds()
}

// writer writes to w, and keeps account of how that goes.
func (pl *place) writer(w io.Writer) io.Writer { return &accounted{pl, w} }

type accounted struct {
	pl *place
	w  io.Writer
}

func (a *accounted) Write(b []byte) (int, error) {
	began := time.Now()
	a.pl.mu.Lock()
	a.pl.writing = began
	a.pl.mu.Unlock()
	n, err := a.w.Write(b)
	now := time.Now()
	a.pl.mu.Lock()
	defer a.pl.mu.Unlock()
	a.pl.writing = time.Time{}
	a.pl.bytes += n
	a.pl.blocked += now.Sub(began)
	if a.pl.blocked >= slowWindow && float64(a.pl.bytes) >= slowRate*a.pl.blocked.Seconds() {
		a.pl.bytes, a.pl.blocked = 0, 0 // fast enough: a new window
	}
	return n, err
}
