package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gitmirror/internal/signal"

	"github.com/hashicorp/raft"
)

// term is one stretch of this node's leadership.
type term struct {
	ctx   context.Context
	end   context.CancelCauseFunc
	ready chan struct{} // closed once everything before the term is applied here
}

// leadership is this node's term, if it has one.
type leadership struct {
	mu      sync.Mutex
	current *term
	since   time.Time     // of the last change of who leads, as this node heard of it
	led     string        // the id of who led last
	changes uint64        // how often another did
	changed signal.Signal // a term began or ended here, or another node leads
}

func (l *leadership) term() *term {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// turn ends the current term, and begins the next when this node leads.
func (l *leadership) turn(leading bool) *term {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		l.current.end(ErrTermOver)
		l.current = nil
	}
	if leading {
		t := &term{ready: make(chan struct{})}
		t.ctx, t.end = context.WithCancelCause(context.Background())
		l.current = t
	}
	return l.current
}

// noted notes that another leads, or nobody.
func (l *leadership) noted() {
	l.mu.Lock()
	l.since = time.Now()
	l.mu.Unlock()
	l.changed.Fire()
}

// seen counts who leads where that is another than before, and returns how often that was so. It is not
// left to raft's observations alone: what was there before they are asked for, they do not tell.
func (c *Cluster) seen() uint64 {
	l := &c.leadership
	l.mu.Lock()
	defer l.mu.Unlock()
	if id, _ := c.Leader(); id != "" && id != l.led {
		l.led = id
		l.changes++
	}
	return l.changes
}

// followRaft turns raft's notices into terms. It drains them until ctx ends,
// because raft blocks where they are not taken.
func (c *Cluster) followRaft(ctx context.Context) {
	defer c.leadership.turn(false)
	for {
		select {
		case leading := <-c.notices:
			if t := c.leadership.turn(leading); t != nil {
				c.wg.Go(func() { c.establish(t) })
			}
		case <-c.observations:
			c.seen()
		case <-ctx.Done():
			return
		}
		c.leadership.noted()
	}
}

// establish waits until this node has applied all that was committed before
// its term, and retries for as long as the term lasts.
func (c *Cluster) establish(t *term) {
	for {
		err := c.await(t.ctx, func() error { return c.raft.Barrier(enqueueTimeout).Error() })
		if err == nil {
			close(t.ready)
			c.leadership.changed.Fire()
			return
		}
		select {
		case <-t.ctx.Done():
			return
		case <-time.After(c.cfg.Timing.election() / 4):
			c.cfg.Log.Debug("establish leadership: try again", "term", c.Term(), "err", err)
		}
	}
}

// Leader is the node that leads, as far as this node knows: its id and the
// address of its peer port, or empty when there is none.
func (c *Cluster) Leader() (id, addr string) {
	address, server := c.raft.LeaderWithID()
	return string(server), string(address)
}

// LeaderSince is when this node last heard that another leads, or nobody; zero if it never did.
func (c *Cluster) LeaderSince() time.Time {
	c.leadership.mu.Lock()
	defer c.leadership.mu.Unlock()
	return c.leadership.since
}

// LeaderChanges is how often this node has seen another node lead than before, the first
// one included.
func (c *Cluster) LeaderChanges() uint64 { return c.seen() }

// IsLeader says whether this node believes that it leads.
func (c *Cluster) IsLeader() bool { return c.raft.State() == raft.Leader }

// LeaderChanged is closed when this node next learns of a new leader, or of
// the loss of one.
func (c *Cluster) LeaderChanged() <-chan struct{} { return c.leadership.changed.Next() }

// termPause is how long WhileLeader waits before it runs fn again in a term
// in which it failed.
const termPause = time.Second

// WhileLeader runs fn once in each term of this node's leadership, after
// everything committed before has been applied here, with a context that ends
// with the term. It never runs two at a time: fn must return when its context
// ends. An error of fn within a term is logged, and fn is run again a second
// later. WhileLeader returns when ctx ends, or the cluster is closed.
func (c *Cluster) WhileLeader(ctx context.Context, fn func(ctx context.Context) error) error {
	for {
		t, err := c.nextTerm(ctx)
		if err != nil {
			return fmt.Errorf("wait for leadership: %w", err)
		}
		c.serve(ctx, t, fn)
	}
}

// nextTerm waits for a term that is established.
func (c *Cluster) nextTerm(ctx context.Context) (*term, error) {
	for {
		changed := c.leadership.changed.Next()
		if t := c.leadership.term(); t != nil {
			select {
			case <-t.ready:
				if ctx.Err() == nil {
					return t, nil
				}
			default:
			}
		}
		select {
		case <-changed:
		case <-c.down:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// serve runs fn until the term or ctx ends.
func (c *Cluster) serve(ctx context.Context, t *term, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.ctx, func() { cancel(context.Cause(t.ctx)) })()

	for ctx.Err() == nil {
		err := fn(ctx)
		if err == nil {
			<-ctx.Done()
			return
		}
		if ctx.Err() != nil {
			return
		}
		c.cfg.Log.Error("work of the leader failed, starting it again", "term", c.Term(), "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(termPause):
		}
	}
}

// ReadIndex returns an index such that a read from any state machine that has
// applied it sees everything committed before the call. It asks a majority
// whether this node still leads, and fails with ErrNotLeader if not.
func (c *Cluster) ReadIndex(ctx context.Context) (uint64, error) {
	t := c.leadership.term()
	if t == nil {
		return 0, fmt.Errorf("read index: %w", c.notLeader())
	}
	// A new leader does not know how much is committed until an entry of its
	// own term is.
	select {
	case <-t.ready:
	case <-t.ctx.Done():
		return 0, fmt.Errorf("read index: %w", c.notLeader())
	case <-ctx.Done():
		return 0, fmt.Errorf("read index: %w", context.Cause(ctx))
	}
	index := c.raft.CommitIndex()
	err := c.await(ctx, c.confirmLeadership)
	switch {
	case err == nil:
		return index, nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return 0, fmt.Errorf("read index: %w", c.notLeader())
	default:
		return 0, fmt.Errorf("read index: %w", err)
	}
}

// confirmLeadership asks a majority of voters. VerifyLeader counts the answers
// of non-voters too, so where there are any that could make up a majority, an
// entry has to be committed.
func (c *Cluster) confirmLeadership() error {
	voters, others := 0, 0
	for _, server := range c.raft.GetConfiguration().Configuration().Servers {
		if server.Suffrage == raft.Voter {
			voters++
		} else {
			others++
		}
	}
	if voters > 1 && others > 0 {
		return c.raft.Barrier(enqueueTimeout).Error()
	}
	return c.raft.VerifyLeader().Error()
}

// CommitIndex is the end of what this node knows to be committed.
func (c *Cluster) CommitIndex() uint64 { return c.raft.CommitIndex() }

// Term is the raft term this node is in.
func (c *Cluster) Term() uint64 { return c.raft.CurrentTerm() }

// LastContact is when this node last heard from a leader: now, if it leads,
// and zero if it never did.
func (c *Cluster) LastContact() time.Time {
	if c.IsLeader() {
		return time.Now()
	}
	return c.raft.LastContact()
}

// TransferLeadership hands leadership to a voter that lives, as far as gossip knows; only
// where it knows none, to the one that is furthest ahead, whom raft would choose: that may
// have been dead for a minute.
func (c *Cluster) TransferLeadership(ctx context.Context) (err error) {
	heirs := c.heirs()
	for i, s := range heirs {
		once, cancel := context.WithTimeout(ctx, share(ctx, len(heirs)-i))
		err = c.transferTo(once, s)
		cancel()
		if err == nil || errors.Is(err, raft.ErrNotLeader) || ctx.Err() != nil {
			break
		}
	}
	if len(heirs) == 0 {
		err = c.await(ctx, func() error { return c.raft.LeadershipTransfer().Error() })
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		err = c.notLeader()
	}
	return fmt.Errorf("transfer leadership: %w", err)
}

// TransferTo hands leadership to that voter, and to nobody else. The error is ErrNotServer
// where it is none.
func (c *Cluster) TransferTo(ctx context.Context, id string) error {
	for _, s := range c.raft.GetConfiguration().Configuration().Servers {
		if string(s.ID) != id || s.Suffrage != raft.Voter {
			continue
		}
		err := c.transferTo(ctx, s)
		if errors.Is(err, raft.ErrNotLeader) {
			err = c.notLeader()
		}
		if err != nil {
			return fmt.Errorf("transfer leadership: %w", err)
		}
		return nil
	}
	return fmt.Errorf("transfer leadership to %s: %w", id, ErrNotServer)
}

func (c *Cluster) transferTo(ctx context.Context, s raft.Server) error {
	for {
		if !c.IsLeader() { // raft would keep the request, and answer it in a later term or never
			return raft.ErrNotLeader
		}
		err := c.await(ctx, func() error { return c.raft.LeadershipTransferToServer(s.ID, s.Address).Error() })
		if !errors.Is(err, raft.ErrLeadershipTransferInProgress) { // an attempt that has failed is so for a moment more
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// heirs are the other voters that live, who has answered last first: one that is frozen is
// alive for gossip for a while, and raft gives up on it after an election timeout only.
func (c *Cluster) heirs() (list []raft.Server) {
	answered := c.Answered()
	defer func() {
		slices.SortStableFunc(list, func(a, b raft.Server) int { return answered[string(b.ID)].Compare(answered[string(a.ID)]) })
	}()
	for _, s := range c.raft.GetConfiguration().Configuration().Servers {
		if _, alive := c.gossip.alive(string(s.ID)); alive && s.Suffrage == raft.Voter && string(s.ID) != c.cfg.ID {
			list = append(list, s)
		}
	}
	return list
}

// share is what the next of n attempts may take of what is left of ctx.
func share(ctx context.Context, n int) time.Duration {
	end, bounded := ctx.Deadline()
	if !bounded {
		return time.Minute
	}
	return time.Until(end) / time.Duration(n)
}
