package world

import (
	"context"
	"sync"
	"time"
)

// clock is what a machine takes for the time of day: the world's, unless it is set wrong.
type clock struct {
	mu    sync.Mutex
	set   time.Time     // when it was set last
	ahead time.Duration // of the world's time, then
	rate  float64       // of its seconds in one of the world's, 0 for one
	jumps time.Duration // so far it is ahead half of the time besides
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	ahead := c.drift(now)
	if c.jumps != 0 && now.Unix()/7%2 == 1 {
		ahead += c.jumps
	}
	return now.Add(ahead)
}

// drift is how far it is ahead without its jumps. The lock is held.
func (c *clock) drift(now time.Time) time.Duration {
	if c.rate == 0 {
		return c.ahead
	}
	return c.ahead + time.Duration((c.rate-1)*float64(now.Sub(c.set)))
}

// turn sets it ahead by so much more, to go on at a rate, and to jump.
func (c *clock) turn(by time.Duration, rate float64, jumps time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.ahead, c.set = c.drift(now)+by, now
	c.rate, c.jumps = rate, jumps
}

const year = 365 * 24 * time.Hour

// wrongs are how far a clock is set wrong.
var wrongs = []time.Duration{time.Minute, -time.Minute, year, -year, 10 * time.Minute, -2 * time.Hour}

// clockSteps happen to clocks.
var clockSteps = map[string]func(*run, Step){
	"clock": func(r *run, s Step) {
		r.node(s.Node).clock.turn(wrongs[s.Other%len(wrongs)], 1, 0)
		r.doubtClocks()
	},
	"clock-jumps": func(r *run, s Step) {
		r.node(s.Node).clock.turn(0, 1, wrongs[s.Other%len(wrongs)])
		r.doubtClocks()
	},
	"days": (*run).days,
}

// How the days go by: what is young has been there for long enough to count, and the time
// after the jump, in which no date counts, is over too.
const (
	daysAhead = 9 * 24 * time.Hour
	daysPace  = 350 // two readings of clocks, every five seconds one, bring less than an hour
	daysFor   = 25 * time.Hour
)

// days has days go by on all clocks, within minutes of the world, once.
func (r *run) days(Step) {
	if r.aged {
		return
	}
	r.aged = true
	for _, n := range r.w.Nodes {
		n.clock.turn(daysAhead, daysPace, 0)
	}
	time.Sleep(daysFor / daysPace)
	for _, n := range r.w.Nodes {
		n.clock.turn(0, 1, 0)
	}
}

const (
	right  = time.Second     // how far a clock may be off that is not wrong
	onTime = 5 * time.Second // how far log time may be
)

// keepTruth finds out from when on not most of the clocks that could be asked were right, or
// more than one was wrong: until then log time has to be the world's.
func (r *run) keepTruth(ctx context.Context) {
	for ctx.Err() == nil && !r.doubtClocks() {
		r.log.trusted = time.Now()
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// doubtClocks tells whether there was a time, up to now, at which not most of the clocks that
// could be asked were right, or more than one was wrong. One that jumps is wrong all the time:
// it jumps between two looks.
func (r *run) doubtClocks() bool {
	wrong, asked := 0, 0
	for _, n := range r.w.every() {
		if n.running() && !r.cutOff(n) {
			asked++
		}
		if n.clock.wrong() {
			wrong++
		}
	}
	if wrong > 1 || 2*wrong >= asked {
		r.log.doubted.Store(true)
	}
	return r.log.doubted.Load()
}

// wrong tells whether it is, now or now and then.
func (c *clock) wrong() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jumps != 0 || c.drift(time.Now()).Abs() > right
}
