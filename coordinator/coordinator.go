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
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
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
	AddNonvoter(ctx context.Context, id, addr string) error
	Promote(ctx context.Context, id string) error
	Demote(ctx context.Context, id string) error
	RemoveServer(ctx context.Context, id string) error
}

// State is the replicated table.
type State interface {
	View() *fsm.View
	Changed() <-chan struct{}
}

// Config is what a Coordinator needs.
type Config struct {
	Self         string // node id
	ClusterID    string // what a cluster founded by this node is called
	State        State
	Proposer     Proposer
	Members      Members
	Voters       Voters
	Egress       *egress.Policy // checks literal addresses of new upstreams
	ReplaceAfter time.Duration  // a node down so long loses its copies to others
	Log          *slog.Logger
}

// Coordinator works while this node leads.
type Coordinator struct {
	cfg Config
	log *slog.Logger

	mu    sync.Mutex
	loads *loads // for placing new repos

	// Of the present term's loop.
	missing map[string]time.Time // nodes gossip does not know, since when
	braked  bool                 // the mass-failure brake is on, and was logged
}

// New returns a Coordinator.
func New(cfg Config) *Coordinator {
	return &Coordinator{cfg: cfg, log: cfg.Log}
}

// How often the loop looks even when nothing changed, and how close together
// two looks may be: a share of what a look costs, so that a large table does
// not keep a core busy.
const (
	lookEvery   = time.Second
	lookSpacing = 50 * time.Millisecond
	lookShare   = 10
)

// Lead runs the leader's loop until ctx, the term, ends. Failures of a step are
// logged once and tried again.
func (c *Coordinator) Lead(ctx context.Context) error {
	c.missing, c.braked = map[string]time.Time{}, false
	c.mu.Lock()
	c.loads = nil
	c.mu.Unlock()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := ""
	for {
		stateChanged, membersChanged := c.cfg.State.Changed(), c.cfg.Members.MembersChanged()
		began := time.Now()
		if err := c.look(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if err.Error() != last {
				c.log.Warn("coordination step failed, trying again", "err", err)
			}
			last = err.Error()
		} else {
			last = ""
		}
		pause := time.NewTimer(max(lookSpacing, lookShare*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
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

// look takes one look at everything and acts on it, in the order of urgency.
func (c *Coordinator) look(ctx context.Context) error {
	for _, step := range []func(context.Context) error{c.found, c.liveness, c.voters, c.placement} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// found names a new cluster.
func (c *Coordinator) found(ctx context.Context) error {
	if c.cfg.State.View().ClusterID() != "" {
		return nil
	}
	out, err := c.cfg.Proposer.Propose(ctx, &command.FoundCluster{ClusterId: c.cfg.ClusterID}, "")
	if err != nil {
		return fmt.Errorf("name the cluster: %w", err)
	}
	return fsm.AsError(out)
}

// each proposes the rows in batches a command can hold.
func each[T any](rows []T, propose func(batch []T) error) error {
	const batch = 500
	for len(rows) > 0 {
		n := min(batch, len(rows))
		if err := propose(rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}
