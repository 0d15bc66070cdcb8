package node

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"gitmirror/api"
	"gitmirror/cluster"
	"gitmirror/coordinator"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
	"gitmirror/internal/wallclock"
	"gitmirror/membership"
	"gitmirror/peer"
)

// member answers the calls of other nodes. Until the node has been put
// together only hello answers.
type member struct {
	cfg    Config
	id     *identity
	run    string
	parts  func() *parts // nil while starting
	claims membership.Claims
}

const errStarting = refusal.Starting

func (m *member) Hello() peer.Hello {
	h := peer.Hello{ClusterID: m.id.cluster(), ID: m.id.ID, Name: m.cfg.Name, Run: m.run, Version: m.cfg.Version}
	if p := m.parts(); p != nil {
		_, h.Leader = p.cluster.Leader()
	}
	return h
}

func (m *member) Join(ctx context.Context, rq peer.JoinRequest) (peer.JoinAnswer, error) {
	p := m.parts()
	if p == nil {
		return peer.JoinAnswer{}, errStarting
	}
	if err := checkJoin(rq); err != nil {
		return peer.JoinAnswer{}, err
	}
	// A new leader's table may be of long ago: it must not be compared with.
	if err := p.caughtUp(ctx); err != nil {
		return peer.JoinAnswer{}, err
	}
	view := p.machine.state.View()
	if rq.ClusterID != "" && rq.ID != m.id.ID && view.NodeByID(rq.ID) == nil {
		return peer.JoinAnswer{}, refusal.New(refusal.NodeRemoved, "node %s was removed from this cluster", rq.Name)
	}
	err := p.coordinator.Join(ctx, coordinator.Applicant{Runs: rq.Runs, Node: &command.Node{
		Id: rq.ID, Name: rq.Name, Peer: rq.Peer, Http: rq.HTTP, Version: rq.Version, Run: rq.Run, Format: rq.Format}})
	if err != nil {
		return peer.JoinAnswer{}, err
	}
	a := peer.JoinAnswer{ClusterID: m.id.cluster(), Format: p.machine.state.View().Format()}
	for _, n := range p.machine.state.View().Nodes() {
		if n.ID != rq.ID {
			a.Peers = append(a.Peers, n.Peer)
		}
	}
	return a, nil
}

func checkJoin(rq peer.JoinRequest) error {
	bad := func(format string, args ...any) error {
		return refusal.New(refusal.JoinInvalid, format, args...)
	}
	return checkNodeName(rq.Name, bad)
}

func checkNodeName(name string, bad func(string, ...any) error) error {
	if err := giturl.CheckName(name); err != nil || len(name) > 100 {
		return bad("the node name %.100q has characters that names cannot have, or more than 100; choose another with --name", name)
	}
	return nil
}

func (m *member) Propose(ctx context.Context, entry []byte) ([]byte, uint64, error) {
	p := m.parts()
	if p == nil {
		return nil, 0, errStarting
	}
	out, index, err := p.reach.Commit(ctx, entry)
	switch {
	case refusal.Of(err) != nil:
		return nil, 0, err
	case errors.Is(err, cluster.ErrNotLeader), errors.Is(err, cluster.ErrBusy):
		return nil, 0, fmt.Errorf("%w: %w", refusal.NotLeader, err)
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %w", refusal.UnknownOutcome, err)
	}
	data, err := proto.Marshal(out)
	return data, index, err
}

func (m *member) ReadIndex(ctx context.Context) (uint64, error) {
	p := m.parts()
	if p == nil {
		return 0, errStarting
	}
	index, err := p.cluster.ReadIndex(ctx)
	if errors.Is(err, cluster.ErrNotLeader) {
		err = refusal.NotLeader
	}
	return index, err
}

func (m *member) Table(ctx context.Context, id string, generation uint64) ([]byte, error) {
	p := m.parts()
	if p == nil {
		return nil, errStarting
	}
	return p.copies.Table(ctx, id, generation)
}

func (m *member) Doubt(id string) {
	if p := m.parts(); p != nil {
		p.engine.Doubt(id)
	}
}

func (m *member) Lost(_ context.Context, id string, generation uint64) ([]byte, error) {
	p := m.parts()
	if p == nil {
		return nil, errStarting
	}
	return p.copies.Lost(id, generation)
}

func (m *member) Past(id, digest string) ([]byte, error) {
	p := m.parts()
	if p == nil {
		return nil, errStarting
	}
	return p.copies.Past(id, digest)
}

func (m *member) Refs(ctx context.Context, id string, q api.RefQuery) (api.RefList, error) {
	p := m.parts()
	if p == nil {
		return api.RefList{}, errStarting
	}
	return p.copies.Refs(ctx, id, q)
}

func (m *member) Sync(ctx context.Context, id string, wait bool) (api.SyncOutcome, error) {
	p := m.parts()
	if p == nil {
		return api.SyncOutcome{}, errStarting
	}
	return p.copies.Sync(ctx, id, wait)
}

func (m *member) Live(ctx context.Context, ids []string) peer.LiveAnswer {
	p := m.parts()
	if p == nil {
		return peer.LiveAnswer{}
	}
	a := p.copies.Live(ctx, ids)
	a.Trouble = p.trouble()
	return a
}

// Pulse tells how this node is, from memory alone: who asks wants to know
// whether it is well, and must not wait for what is not.
func (m *member) Pulse() peer.Pulse {
	out := peer.Pulse{ID: m.id.ID, Run: m.run, Now: wallclock.Now().UTC()}
	if p := m.parts(); p != nil {
		out.Marks, out.LogHangs = p.marks(), p.cluster.DiskHangs()
	}
	return out
}

// Whois tells what this node knows of a process that says to be a member.
func (m *member) Whois(claim peer.Claim) peer.Whois {
	out := peer.Whois{Seen: m.claims.Note(claim)}
	p := m.parts()
	if p == nil {
		return out
	}
	if row := p.machine.state.View().NodeByID(claim.ID); row != nil {
		out.Known, out.Name, out.Run = true, row.Name, row.Run
		out.Seen = append(out.Seen, row.Peer)
	}
	for _, g := range p.cluster.Members() {
		if g.ID == claim.ID {
			out.Seen = append(out.Seen, g.Addr)
		}
	}
	return out
}

// caughtUp returns when this node has made sure that it leads, and has applied all
// that was committed before.
func (p *parts) caughtUp(ctx context.Context) error {
	index, err := p.cluster.ReadIndex(ctx)
	if errors.Is(err, cluster.ErrNotLeader) {
		return refusal.NotLeader
	}
	if err != nil {
		return err
	}
	return p.cluster.WaitApplied(ctx, index)
}

// Member tells whether a node is a member, if this one leads beyond doubt.
func (m *member) Member(ctx context.Context, id string) (peer.Membership, error) {
	p := m.parts()
	if p == nil {
		return peer.Membership{}, errStarting
	}
	if err := p.caughtUp(ctx); err != nil {
		return peer.Membership{}, err
	}
	row := p.machine.state.View().NodeByID(id)
	if row == nil {
		return peer.Membership{}, nil
	}
	return peer.Membership{In: true, Run: row.Run}, nil
}
