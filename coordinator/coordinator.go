// Package coordinator is the leader's work: it admits new repos and places
// them, records which nodes live, gives the repos of dead nodes to others, has
// copies made and dropped, and decides who votes.
//
// It owns nothing but its loop. What it decides it proposes; a new leader
// starts from the committed table and needs nothing from the old one. It never
// takes the last ready copy of a repo away, and moves a repo in two steps: the
// new copy first, then the old one goes.
package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/clock"
	"gitmirror/internal/egress"
)

// Proposer commits commands. Propose blocks until the command is applied on
// this node, retrying under one request id; an error means that it may or may
// not be. requestID may be empty for commands that are harmless to repeat.
type Proposer interface {
	Propose(ctx context.Context, msg proto.Message, requestID string) (*command.Outcome, error)
}

// Members is the gossip's view of who lives: a hint.
type Members interface {
	// Alive tells by node id who is known, and whether alive.
	Alive() map[string]bool
	MembersChanged() <-chan struct{}
}

// Server is one entry of the raft configuration.
type Server struct {
	ID, Addr string
	Voter    bool
}

// Voters changes the raft configuration. AddNonvoter on a server changes its
// address only; Promote refuses one that lags.
type Voters interface {
	Servers() ([]Server, error)
	CaughtUp(id string) bool
	// Answered tells when each other server has last answered this leader, zero where it
	// has not in this term.
	Answered() map[string]time.Time
	AddNonvoter(ctx context.Context, id, addr string) error
	Promote(ctx context.Context, id string) error
	Demote(ctx context.Context, id string) error
	RemoveServer(ctx context.Context, id string) error
	// TransferTo has a voter lead instead of this node: the term ends.
	TransferTo(ctx context.Context, id string) error
}

// State is the replicated table.
type State interface {
	View() *fsm.View
	Changed() <-chan struct{}
	// Try tells what a command would come to, and does nothing.
	Try(msg proto.Message) (*command.Outcome, error)
}

// Config is what a Coordinator needs.
type Config struct {
	Self         string   // node id
	ClusterID    string   // what a cluster founded by this node is called
	Former       []string // what it was called before it was recovered
	State        State
	Proposer     Proposer
	Members      Members
	Voters       Voters
	Nodes        Nodes
	Clock        *LogClock      // stamps what this node appends while it leads
	Egress       *egress.Policy // checks literal addresses of new upstreams
	ReplaceAfter time.Duration  // a node down so long loses its copies to others
	Log          *slog.Logger
}

// Coordinator works while this node leads.
type Coordinator struct {
	cfg  Config
	log  *slog.Logger
	term atomic.Pointer[term] // the present one, or the last
}

// term is all that a leader knows besides the table: it is of no use to the next. What
// requests and status read has its own locks, the rest is the loop's.
type term struct {
	began    time.Time
	placing  placing // new repos
	troubles troubles
	absent   absences
	troubled troubled
	others   others

	missing map[string]time.Time // nodes gossip does not know, since when
	braked  bool                 // the mass-failure brake is on, and was logged
	agenda  agenda
}

func newTerm() *term { return &term{began: time.Now(), missing: map[string]time.Time{}} }

// New returns a Coordinator.
func New(cfg Config) *Coordinator {
	c := &Coordinator{cfg: cfg, log: cfg.Log}
	c.term.Store(newTerm())
	return c
}

// How often the loop looks even when nothing changed, and how close together
// two looks may be: a share of what a look costs, so that a large table does
// not keep a core busy.
const (
	lookEvery   = time.Second
	lookSpacing = 50 * time.Millisecond
	lookShare   = 10
	lookRest    = 2 * time.Second // the longest pause: what took long may have been waiting
)

// Lead runs the leader's loop until ctx, the term, ends. A part that fails is
// tried again, and shown by Trouble when it has failed for a while.
func (c *Coordinator) Lead(ctx context.Context) error {
	c.begin()
	var timekeeper sync.WaitGroup
	defer timekeeper.Wait()
	timekeeper.Go(func() { c.keepTime(ctx) })
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		stateChanged, membersChanged := c.cfg.State.Changed(), c.cfg.Members.MembersChanged()
		began := time.Now()
		_ = c.reconcile(ctx) // each part keeps account of its failures
		if clock.Sleep(ctx, clock.System, min(max(lookSpacing, lookShare*time.Since(began)), lookRest)) != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-stateChanged:
		case <-membersChanged:
		case <-tick.C:
		}
	}
}

// begin forgets what was known in another term.
func (c *Coordinator) begin() {
	c.term.Store(newTerm())
	c.cfg.Clock.begin()
}

// reconcile takes one look at everything and acts on it, in the order of urgency.
// Steps, and the nodes within a step, are independent of each other: what fails
// for one holds up none of the rest.
func (c *Coordinator) reconcile(ctx context.Context) error {
	defer c.term.Load().troubles.swept()
	return errors.Join(
		c.attempt(ctx, "found", "", c.found),
		c.incarnations(ctx),
		c.liveness(ctx),
		c.voters(ctx),
		c.attempt(ctx, "leadership", "", c.handOver),
		c.placement(ctx),
		c.attempt(ctx, "retired", "", c.retired),
		c.attempt(ctx, "sources", "", c.sources),
		c.attempt(ctx, "format", "", c.format),
		c.attempt(ctx, "time", "", c.tick),
	)
}

// found names a new cluster, and one that was recovered.
func (c *Coordinator) found(ctx context.Context) error {
	view := c.cfg.State.View()
	switch id := view.ClusterID(); {
	case id == "":
		return c.propose(ctx, &command.FoundCluster{ClusterId: c.cfg.ClusterID, Format: fsm.Format})
	case id != c.cfg.ClusterID && slices.Contains(c.cfg.Former, id) && view.KnowsRecovery():
		// The log goes on from its last entry, which may be a week old; this is when it does.
		c.cfg.Clock.set(c.readClocks(ctx))
		return c.propose(ctx, &command.RecoverCluster{ClusterId: c.cfg.ClusterID, Former: id, Node: c.cfg.Self})
	}
	return nil
}

// each proposes the rows in batches a command can hold. A batch that fails does
// not hold up the next.
func each[T any](rows []T, propose func(batch []T) error) error {
	const batch = 500
	var errs []error
	for len(rows) > 0 {
		n := min(batch, len(rows))
		errs = append(errs, propose(rows[:n]))
		rows = rows[n:]
	}
	return errors.Join(errs...)
}
