package clock

import (
	"slices"
	"sync"
	"time"
)

// Manual is a clock that stands still but for Advance. The zero Manual is at the zero
// time.
type Manual struct {
	mu    sync.Mutex
	now   time.Time
	calls []*call // by time; of one time, in the order they were asked for
}

type call struct {
	clock *Manual
	at    time.Time
	f     func()
}

// NewManual returns a clock that is at now.
func NewManual(now time.Time) *Manual { return &Manual{now: now} }

// Now is where it stands.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// AfterFunc has f called by Advance.
func (m *Manual) AfterFunc(d time.Duration, f func()) Timer {
	c := &call{clock: m, f: f}
	c.Reset(d)
	return c
}

// Next is when the next call is due.
func (m *Manual) Next() (at time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.calls) == 0 {
		return time.Time{}, false
	}
	return m.calls[0].at, true
}

// Advance moves the clock, and makes the calls that are due on the way, each at its
// time, in the goroutine of the caller.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	end := m.now.Add(d)
	for len(m.calls) > 0 && !m.calls[0].at.After(end) {
		c := m.calls[0]
		m.calls = m.calls[1:]
		if c.at.After(m.now) {
			m.now = c.at
		}
		m.mu.Unlock()
		c.f()
		m.mu.Lock()
	}
	m.now = end
	m.mu.Unlock()
}

// Stop takes the call back.
func (c *call) Stop() bool {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return c.stop()
}

func (c *call) stop() bool {
	i := slices.Index(c.clock.calls, c)
	if i < 0 {
		return false
	}
	c.clock.calls = slices.Delete(c.clock.calls, i, i+1)
	return true
}

// Reset has the call made after d from now.
func (c *call) Reset(d time.Duration) bool {
	m := c.clock
	m.mu.Lock()
	defer m.mu.Unlock()
	active := c.stop()
	c.at = m.now.Add(max(d, 0))
	i, _ := slices.BinarySearchFunc(m.calls, c.at, func(o *call, at time.Time) int {
		if o.at.After(at) {
			return 1
		}
		return -1
	})
	m.calls = slices.Insert(m.calls, i, c)
	return active
}
