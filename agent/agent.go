// Package agent connects this node's rows of the replicated table with its
// mirror: rows become assignments, what the mirror achieved becomes reports,
// candidates become publishes.
//
// It is level-triggered: it compares what the table says with what the disk
// holds and works on the difference, so that a lost report or a restart costs
// nothing but time. It starts only when this node has applied what a leader
// had committed, and deletes only what the log says is to leave this node.
package agent

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"golang.org/x/sync/errgroup"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// Proposer commits a command through whoever leads. Propose blocks until the
// command is applied on this node, retrying under one request id; an error
// means that it may or may not be.
type Proposer interface {
	Propose(ctx context.Context, msg proto.Message, requestID string) (*command.Outcome, error)
}

// Peers reaches the copies on other nodes.
type Peers interface {
	Table(ctx context.Context, addr, id string, generation uint64) ([]byte, error)
	// Lost fetches the table of a generation that is lost elsewhere.
	Lost(ctx context.Context, addr, id string, generation uint64) ([]byte, error)
	// Past fetches the file of what is remembered of a table, by its digest in hex; nil
	// where the node does not have it.
	Past(ctx context.Context, addr, id, digest string) ([]byte, error)
	// Doubt tells the node at addr that its copy may be damaged.
	Doubt(ctx context.Context, addr, id string) error
	// GitURL is where git fetches a repository from the node at addr.
	GitURL(addr, id string) string
}

// Mirror is what the agent needs of the mirror engine.
type Mirror interface {
	Assign(mirror.Assignment)
	Unassign(id string)
	Remove(ctx context.Context, id string) error
	// TakeBack brings a copy that Remove has taken away back, where there still is one and
	// none is here. It blocks for the disk.
	TakeBack(id string) error
	Status(id string) (mirror.Status, bool)
	Condition() mirror.Condition
	Alone(alone bool)
	// Returned says that a node is up again which was down, and may have what is lost elsewhere.
	Returned()
}

// Config is what an Agent needs.
type Config struct {
	Self     string // node id
	State    *fsm.State
	Proposer Proposer
	Peers    Peers
	// ReplaceAfter is how long a node that went down is expected back.
	ReplaceAfter time.Duration
	// Budgets are how many checks a second the whole cluster may make at hosts; what is not in it
	// may be asked for any number.
	Budgets map[string]float64
	Log     *slog.Logger
	Leader  Leader
	// CaughtUp is closed when this node has applied what a leader had committed in
	// this run.
	CaughtUp <-chan struct{}
}

// Agent is this node's hand on its rows.
type Agent struct {
	cfg    Config
	log    *slog.Logger
	mirror Mirror // of Run

	shares   shares
	solitude solitude

	mended atomic.Int64 // rows that the comparison in the background found wrong

	mu       sync.Mutex
	dirty    map[string]bool // repos whose report may be due
	removing map[string]bool // copies on their way into the trash
	thrown   chan struct{}   // one has got there, or has not
	wake     chan struct{}
	news     news
	down     map[fsm.NodeNum]outage // nodes that are down, as long as this agent has known

	conditioned chan struct{}
}

// New returns an Agent, which can be a mirror's Publisher, Locator and Rows. Run gives it
// that mirror.
func New(cfg Config) *Agent {
	return &Agent{cfg: cfg, log: cfg.Log, shares: shares{budgets: cfg.Budgets}, dirty: map[string]bool{}, removing: map[string]bool{}, thrown: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		down: map[fsm.NodeNum]outage{}, news: news{told: map[string]time.Time{}}, conditioned: make(chan struct{}, 1)}
}

// Changed notes that the status of a repo may have changed. It does not block.
func (a *Agent) Changed(id string) {
	a.mu.Lock()
	a.dirty[id] = true
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, from when this node has caught up with the log: rows
// from before that are of another day, and must not start any work.
func (a *Agent) Run(ctx context.Context, m Mirror) error {
	a.mirror = m
	select {
	case <-a.cfg.CaughtUp:
	case <-ctx.Done():
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.assign(ctx, g) })
	g.Go(func() error { return a.report(ctx) })
	g.Go(func() error { return a.reportCondition(ctx) })
	g.Go(func() error { return a.heed(ctx) })
	g.Go(func() error { return a.share(ctx) })
	return g.Wait()
}

func generationOf(g fsm.Generation) mirror.Generation {
	return mirror.Generation{Number: g.Number, Digest: refs.Digest(g.Digest)}
}

func assignmentOf(view *fsm.View, r *fsm.Repo, self fsm.NodeNum) mirror.Assignment {
	as := mirror.Assignment{
		ID: r.ID, Name: r.Name, URLs: r.URLs(), Role: mirror.Replica, Paused: r.LeftAlone(),
		Policy: r.Policy.Policy, Epoch: r.Epoch, Generation: r.Generation, Digest: refs.Digest(r.Digest),
		PublicDigest: refs.Digest(r.RefsDigest), Refs: int(r.Refs), Head: refs.Head(r.Head()),
		Base: generationOf(r.Base()), Remembers: view.RemembersPast(), Approved: approvalOf(r.Approved), Word: r.Word(),
	}
	if r.Fallback != nil {
		as.Fallback = max(slices.Index(r.URLs(), r.Fallback.URL), 0)
	}
	for _, rel := range r.Released {
		as.Released = append(as.Released, mirror.Release{Ref: rel.Ref, OID: rel.OID, Upstream: rel.Upstream})
	}
	for _, p := range r.Pins {
		as.Pins = append(as.Pins, mirror.Pin{Ref: p.Ref, OID: p.OID})
	}
	for _, g := range r.Lost {
		as.Lost = append(as.Lost, generationOf(g))
	}
	if r.Owner == self {
		as.Role = mirror.Owner
	}
	return as
}

func approvalOf(a *fsm.Approval) *mirror.Approval {
	if a == nil {
		return nil
	}
	out := &mirror.Approval{Observed: refs.Digest(a.Observed), Losses: refs.Digest(a.Losses), Count: int(a.Count)}
	for _, c := range a.First {
		out.First = append(out.First, refs.Change{Ref: c.GetRef(), Old: c.GetOld(), New: c.GetNew()})
	}
	return out
}
