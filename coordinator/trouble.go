package coordinator

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Trouble is a part of the leader's work that keeps failing. It holds up no
// other part.
type Trouble struct {
	Step    string
	Subject string // name of the node it is about, may be empty
	Message string
	Since   time.Time
}

const (
	// troubleAfter is how long a part fails before it is shown: an election or a
	// lost packet is over by then.
	troubleAfter = 10 * time.Second

	// attemptTimeout bounds one attempt: what waits for longer is tried again,
	// after the other parts had their turn.
	attemptTimeout = 10 * time.Second
)

// troubles are the attempts that failed when they were last made.
type troubles struct {
	mu    sync.Mutex
	known map[attempt]*failing
	look  uint64 // counts looks; what a look does not attempt is no trouble any more
}

type attempt struct{ step, subject string }

type failing struct {
	since time.Time
	err   error
	look  uint64
}

// attempt makes one independent part of a look. Its failure is remembered and
// logged once.
func (c *Coordinator) attempt(ctx context.Context, step, subject string, do func(context.Context) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	began := time.Now()
	bound, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	err := do(bound)
	if ctx.Err() != nil {
		return ctx.Err() // the term is over: no fault of the attempt
	}
	t := &c.term.Load().troubles
	t.mu.Lock()
	defer t.mu.Unlock()
	key := attempt{step, subject}
	if err == nil {
		if t.known[key] != nil {
			c.log.Info("a part of the leader's work succeeds again", "step", step, "subject", subject)
			delete(t.known, key)
		}
		return nil
	}
	f := t.known[key]
	if f == nil {
		c.log.Warn("a part of the leader's work failed, trying again", "step", step, "subject", subject, "err", err)
		f = &failing{since: began}
		if t.known == nil {
			t.known = map[attempt]*failing{}
		}
		t.known[key] = f
	}
	f.err, f.look = err, t.look
	return err
}

// swept ends a look: what was not attempted in it has no reason to fail.
func (t *troubles) swept() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, f := range t.known {
		if f.look != t.look {
			delete(t.known, key)
		}
	}
	t.look++
}

// Trouble lists what this node, as leader, has failed at for ten seconds.
func (c *Coordinator) Trouble() []Trouble {
	t := &c.term.Load().troubles
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Trouble
	for key, f := range t.known {
		if time.Since(f.since) >= troubleAfter {
			list = append(list, Trouble{Step: key.step, Subject: key.subject, Message: f.err.Error(), Since: f.since})
		}
	}
	slices.SortFunc(list, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Subject, b.Subject))
	})
	return list
}
