package coordinator

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
)

// Process is who answers at a peer address.
type Process struct {
	ID, Run string
}

// Nodes reaches other nodes by their peer address.
type Nodes interface {
	// Greet asks who is at addr.
	Greet(ctx context.Context, addr string) (Process, error)
	// Clock reads a node's clock.
	Clock(ctx context.Context, addr string) (time.Time, error)
}

// Applicant is a process that wants to be written down as a node, for the first
// time or with what has changed.
type Applicant struct {
	Node *command.Node // with its run
	Runs []string      // earlier runs of its data directory
}

// greetTimeout bounds one greeting. Who is asked is running, or is not.
const greetTimeout = 2 * time.Second

// Join takes a node in, or records its new run and addresses. Before anything is
// written, the applicant has answered at the address it gave, as this node and
// in this run; and no other process of the same data directory lives.
func (c *Coordinator) Join(ctx context.Context, a Applicant) error {
	n := a.Node
	if err := checkApplicant(n); err != nil {
		return err
	}
	if err := c.sameReach(n); err != nil {
		return err
	}
	put := &command.PutNode{Node: n}
	if row := c.cfg.State.View().NodeByID(n.GetId()); row != nil && row.Run != n.GetRun() {
		if err := c.onlyOne(ctx, row, a); err != nil {
			return err
		}
		put.ReplacesRun = row.Run
	}
	if err := c.answers(ctx, n); err != nil {
		return err
	}
	err := c.propose(ctx, put)
	if errors.Is(err, refusal.ConflictAddress) {
		// It has answered there: whoever had the address is only not known to be down
		// yet, or to have moved.
		return refusal.New(refusal.NodeUnreachable, "%s", err)
	}
	return err
}

func checkApplicant(n *command.Node) error {
	bad := func(format string, args ...any) error {
		return refusal.New(refusal.JoinInvalid, format, args...)
	}
	if uuid.Validate(n.GetId()) != nil {
		return bad("the node id %.60q is not a UUID", n.GetId())
	}
	if n.GetRun() == "" {
		return bad("the node says no run: upgrade it")
	}
	host, port, err := net.SplitHostPort(n.GetPeer())
	if ip := net.ParseIP(host); err != nil || host == "" || port == "" || port == "0" || ip != nil && ip.IsUnspecified() {
		return bad("the peer address %.100q is not one that other nodes can reach; start the node with --advertise HOST:PORT", n.GetPeer())
	}
	return nil
}

// sameReach refuses an address by which a cluster has members on loopback and others: to each
// host a loopback address is another place. A member that had such an address before is not
// put out for it.
func (c *Coordinator) sameReach(n *command.Node) error {
	view, ours := c.cfg.State.View(), network.Loopback(n.GetPeer())
	row := view.NodeByID(n.GetId())
	if row != nil && (!ours || network.Loopback(row.Peer)) { // as it was, or on its way to where others are
		return nil
	}
	const flags = "start %s with --peer HOST:7655 --insecure-peers --http HOST:7654, where HOST is its machine's address in the network of the others"
	for _, other := range view.Nodes() {
		switch theirs := network.Loopback(other.Peer); {
		case other.ID == n.GetId() || other.Peer == "" || theirs == ours:
		case ours:
			return refusal.New(refusal.JoinInvalid, "the peer address %s of %s is a loopback address: %s, at %s, does not reach it", n.GetPeer(), n.GetName(), other.Name, other.Peer).Try(flags, n.GetName())
		default:
			return refusal.New(refusal.JoinInvalid, "%s is a member at %s, a loopback address: %s, at %s, would not reach it", other.Name, other.Peer, n.GetName(), n.GetPeer()).Try(flags, other.Name)
		}
	}
	return nil
}

// onlyOne refuses a second process of one data directory: a copy of it that
// does not know what the other has done since, or a twin of one that lives.
func (c *Coordinator) onlyOne(ctx context.Context, row *fsm.Node, a Applicant) error {
	if row.Run != "" && !slices.Contains(a.Runs, row.Run) {
		return refusal.New(refusal.NodeCopied, "this data directory is a copy of %s's: another process has run as %s since", row.Name, row.Name)
	}
	if row.Peer == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	who, err := c.cfg.Nodes.Greet(ctx, row.Peer)
	if err == nil && who.ID == row.ID && who.Run != a.Node.GetRun() {
		return refusal.New(refusal.NodeCopied, "this data directory is a copy of %s's, which runs at %s", row.Name, row.Peer)
	}
	return nil
}

// answers makes sure that the applicant is where it says: a row with an address
// that nobody answers at, or another does, would fail everybody who uses it.
func (c *Coordinator) answers(ctx context.Context, n *command.Node) error {
	if n.GetId() == c.cfg.Self {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	who, err := c.cfg.Nodes.Greet(ctx, n.GetPeer())
	switch {
	case err != nil:
		return refusal.New(refusal.NodeUnreachable, "the leader cannot reach %s at its peer address %s: %v", n.GetName(), n.GetPeer(), err).
			Try("start it with the --advertise HOST:PORT at which other nodes reach it")
	case who.ID != n.GetId():
		return refusal.New(refusal.ConflictAddress, "at the peer address %s another node answers", n.GetPeer())
	case who.Run != n.GetRun():
		return refusal.New(refusal.NodeCopied, "at the peer address %s another process of the same data directory answers", n.GetPeer())
	}
	return nil
}

// propose commits one command and returns its refusal as an error.
func (c *Coordinator) propose(ctx context.Context, msg proto.Message) error {
	out, err := c.cfg.Proposer.Propose(ctx, msg, "")
	if err == nil {
		err = fsm.AsError(out)
	}
	return err
}
