package coordinator

import (
	"context"
	"slices"
	"sync"
	"time"

	"gitmirror/fsm/command"
)

const (
	askClocksEvery = 5 * time.Second
	askClocksBound = time.Second

	// tickAfter is how long the log may say nothing before the leader tells it
	// the time: an hour of silence would look like a jump.
	tickAfter = 10 * time.Minute
)

// LogClock is the clock that entries are stamped with while this node leads:
// the median of the clocks of the nodes that live, carried on by the monotonic
// clock in between. A node whose clock is wrong has no more say in it than any
// other. It is safe for concurrent use.
type LogClock struct {
	state State
	wall  func() time.Time

	mu    sync.Mutex
	at    time.Time // log time ...
	taken time.Time // ... at this moment of the monotonic clock; zero before the first
}

// NewLogClock returns a clock that goes on from what the log said last. wall is the time of
// day on this machine.
func NewLogClock(state State, wall func() time.Time) *LogClock {
	return &LogClock{state: state, wall: wall}
}

// Now is log time.
func (c *LogClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *LogClock) now() time.Time {
	if c.taken.IsZero() {
		c.restart()
	}
	return c.at.Add(time.Since(c.taken))
}

// restart takes up what the log says: this node did not lead, or has just
// started. A log that never heard the time is told ours.
func (c *LogClock) restart() {
	c.taken = time.Now()
	if c.at = c.state.View().Now(); c.at.IsZero() {
		c.at = c.wall().Round(0)
	}
}

// begin is called at the beginning of a term: another leader may have told the
// log a later time than this node knows.
func (c *LogClock) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Before(c.state.View().Now()) {
		c.restart()
	}
}

// set moves the clock to the median of readings that were taken just now. Of an
// even number it takes, of the two in the middle, the one closer to the log.
func (c *LogClock) set(readings []time.Time) {
	if len(readings) == 0 {
		return
	}
	slices.SortFunc(readings, time.Time.Compare)
	c.mu.Lock()
	defer c.mu.Unlock()
	median := readings[len(readings)/2]
	if n := len(readings); n%2 == 0 {
		now := c.now()
		if lower := readings[n/2-1]; now.Sub(lower).Abs() < median.Sub(now).Abs() {
			median = lower
		}
	}
	c.at, c.taken = median.Round(0), time.Now()
}

// keepTime asks the living for their clocks while the term lasts.
func (c *Coordinator) keepTime(ctx context.Context) {
	tick := time.NewTicker(askClocksEvery)
	defer tick.Stop()
	for {
		c.cfg.Clock.set(c.readClocks(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// readClocks asks all nodes for their clocks. Where no majority of the voters has told,
// ours among them, it returns none: one clock could be any.
func (c *Coordinator) readClocks(ctx context.Context) []time.Time {
	ctx, cancel := context.WithTimeout(ctx, askClocksBound)
	defer cancel()
	var mu sync.Mutex
	readings := map[string]func(now time.Time) time.Time{}
	var wg sync.WaitGroup
	for _, n := range c.cfg.State.View().Nodes() {
		if n.ID == c.cfg.Self || n.Peer == "" {
			continue // of others a new leader does not know yet who lives
		}
		wg.Go(func() {
			asked := time.Now()
			theirs, err := c.cfg.Nodes.Clock(ctx, n.Peer)
			c.term.Load().others.note(n.Name, err)
			if err != nil {
				return
			}
			answered := time.Now()
			theirs = theirs.Add(answered.Sub(asked) / 2)
			mu.Lock()
			defer mu.Unlock()
			readings[n.ID] = func(now time.Time) time.Time { return theirs.Add(now.Sub(answered)) }
		})
	}
	wg.Wait()
	servers, err := c.cfg.Voters.Servers()
	if err != nil {
		return nil
	}
	voters, told := 0, 0
	for _, s := range servers {
		if !s.Voter {
			continue
		}
		if voters++; s.ID == c.cfg.Self || readings[s.ID] != nil {
			told++
		}
	}
	if told <= voters/2 {
		return nil
	}
	now := time.Now()
	list := []time.Time{c.cfg.Clock.wall().Round(0)}
	for _, at := range readings {
		list = append(list, at(now))
	}
	return list
}

// tick tells the time to a log that has not heard it for a while.
func (c *Coordinator) tick(ctx context.Context) error {
	view := c.cfg.State.View()
	if view.Format() < 2 || view.Now().IsZero() || c.cfg.Clock.Now().Sub(view.Now()) < tickAfter {
		return nil
	}
	return c.propose(ctx, &command.Tick{})
}
