package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"

	"gitmirror/cluster"
	"gitmirror/coordinator"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
	"gitmirror/membership"
	"gitmirror/peer"
)

// greeter answers other nodes from the first moment on, before this one is put together.
type greeter struct {
	cfg    Config
	id     *membership.Identity
	run    string
	claims *membership.Claims
	waits  *membership.Gathering // nil where it waits for nobody
	newer  chan struct{}         // somebody says to be of a newer incarnation of the cluster
}

func (g greeter) Hello() peer.Hello {
	return peer.Hello{ClusterID: g.id.Cluster(), ID: g.id.ID, Name: g.cfg.Name, Run: g.run, Version: g.cfg.Version, Former: g.id.Incarnations()}
}

func (g greeter) Pulse() peer.Pulse {
	return peer.Pulse{ID: g.id.ID, Run: g.run, Now: g.cfg.Clock().UTC()}
}

func (g greeter) Whois(claim peer.Claim) peer.Whois { return peer.Whois{Seen: g.claims.Note(claim)} }

func (g greeter) Meet(rq peer.MeetRequest) (peer.MeetAnswer, error) { return g.waits.Meet(rq) }

// Superseded has the members asked whether that is so.
func (g greeter) Superseded() {
	select {
	case g.newer <- struct{}{}:
	default: // they are about to be
	}
}

// member answers the calls of other nodes, as one of them.
type member struct {
	greeter
	copies
	*parts
}

func (m member) Hello() peer.Hello {
	h := m.greeter.Hello()
	_, h.Leader = m.cluster.Leader()
	return h
}

func (m member) Join(ctx context.Context, rq peer.JoinRequest) (peer.JoinAnswer, error) {
	if err := checkJoin(rq); err != nil {
		return peer.JoinAnswer{}, err
	}
	// A new leader's table may be of long ago: it must not be compared with.
	if err := m.caughtUp(ctx); err != nil {
		return peer.JoinAnswer{}, err
	}
	view := m.machine.state.View()
	if rq.ClusterID != "" && rq.ID != m.id.ID && view.NodeByID(rq.ID) == nil {
		return peer.JoinAnswer{}, refusal.New(refusal.NodeRemoved, "node %s was removed from this cluster", rq.Name)
	}
	err := m.coordinator.Join(ctx, coordinator.Applicant{Runs: rq.Runs, Node: &command.Node{
		Id: rq.ID, Name: rq.Name, Peer: rq.Peer, Http: rq.HTTP, Version: rq.Version, Run: rq.Run, Format: rq.Format}})
	if err != nil {
		return peer.JoinAnswer{}, err
	}
	a := peer.JoinAnswer{ClusterID: m.id.Cluster(), Format: m.machine.state.View().Format(), Former: m.id.Incarnations()}
	for _, n := range m.machine.state.View().Nodes() {
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
	if err := giturl.CheckName(name); err != nil || len(name) > 100 || strings.ContainsFunc(name, func(c rune) bool { return c > unicode.MaxASCII }) {
		return bad("the node name %.100q has characters that names cannot have, or more than 100; choose another with --name", name)
	}
	return nil
}

func (m member) Propose(ctx context.Context, entry []byte) ([]byte, uint64, error) {
	out, index, err := m.reach.Commit(ctx, entry)
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

func (m member) ReadIndex(ctx context.Context) (uint64, error) {
	index, err := m.cluster.ReadIndex(ctx)
	if errors.Is(err, cluster.ErrNotLeader) {
		err = refusal.NotLeader
	}
	return index, err
}

func (m member) Live(ctx context.Context, ids []string) peer.LiveAnswer {
	a := m.copies.Live(ctx, ids)
	a.Trouble = m.trouble()
	return a
}

// Pulse is from memory alone: who asks wants to know whether this node is well, and must
// not wait for what is not.
func (m member) Pulse() peer.Pulse {
	out := m.greeter.Pulse()
	out.Marks, out.LogHangs = m.marks(), m.cluster.DiskHangs()
	return out
}

// Whois tells what this node knows of a process that says to be a member.
func (m member) Whois(claim peer.Claim) peer.Whois {
	out := m.greeter.Whois(claim)
	if row := m.machine.state.View().NodeByID(claim.ID); row != nil {
		out.Known, out.Name, out.Run = true, row.Name, row.Run
		out.Seen = append(out.Seen, row.Peer)
	}
	for _, g := range m.cluster.Members() {
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
func (m member) Member(ctx context.Context, id string) (peer.Membership, error) {
	if err := m.caughtUp(ctx); err != nil {
		return peer.Membership{}, err
	}
	row := m.machine.state.View().NodeByID(id)
	if row == nil {
		return peer.Membership{}, nil
	}
	return peer.Membership{In: true, Run: row.Run}, nil
}
