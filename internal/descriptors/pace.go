package descriptors

import (
	"sync/atomic"
	"time"
)

// Pace tells whether a connection is still used. One that has not moved enough bytes
// for ten seconds is silent: where all places are taken, a newcomer may have its
// place. A stream between members moves that much in a second, and a byte now and
// then keeps no place. It is safe for concurrent use.
type Pace struct {
	moved atomic.Int64 // bytes since mark
	mark  atomic.Int64 // when enough had been moved last, in nanoseconds
}

const (
	silent = 10 * time.Second
	enough = 1 << 10
)

// Begin gives a new connection its time.
func (p *Pace) Begin() { p.mark.Store(time.Now().UnixNano()) }

// Moved notes bytes that were read or written.
func (p *Pace) Moved(n int) {
	if p.moved.Add(int64(n)) >= enough {
		p.moved.Store(0)
		p.Begin()
	}
}

// Silent tells for how long too little has been moved, 0 for a connection that is
// not silent.
func (p *Pace) Silent() time.Duration {
	if d := time.Since(time.Unix(0, p.mark.Load())); d >= silent {
		return d
	}
	return 0
}

// Silence makes the connection one that has been silent for d. It is for tests.
func (p *Pace) Silence(d time.Duration) { p.mark.Store(time.Now().Add(-d).UnixNano()) }
