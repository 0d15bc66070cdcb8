package node

import (
	"context"
	"errors"
	"slices"

	"gitmirror/fsm"
	"gitmirror/membership"
	"gitmirror/peer"
)

// applicant is this process as it asks to be written down as a node.
func (n *node) applicant() *membership.Applicant {
	return &membership.Applicant{ID: n.id, Call: n.peers, Log: n.log, Waits: n.waits, Request: peer.JoinRequest{ID: n.id.ID, Name: n.cfg.Name, Peer: n.info.Peer, HTTP: n.info.HTTP,
		Version: n.version(), Run: n.runID, Runs: n.id.Runs, Format: fsm.Format}}
}

// gather waits, with others, until one of them has founded their cluster.
func (n *node) gather(ctx context.Context) error {
	cluster, founded, err := n.greeter.waits.Run(ctx, n.cfg.Join)
	switch {
	case errors.Is(err, membership.ErrCopied):
		return copied(err)
	case err != nil:
		return err
	case founded:
		n.log.Info("founds the cluster of those that wait", "cluster", cluster)
		return nil
	}
	n.log.Info("joined", "cluster", cluster)
	return n.id.Enter(cluster, false)
}

// announce has the table say what is true of this node: its name, addresses and
// version. It returns when it does, or when the node is refused.
func (n *node) announce(ctx context.Context) error {
	err := membership.Announcement{Applicant: n.applicant(), Leader: n.cluster.Leader, Seeds: n.seeds,
		Told: func() bool {
			row := n.machine.state.View().NodeByID(n.id.ID)
			return row != nil && row.Name == n.cfg.Name && row.Peer == n.info.Peer && row.HTTP == n.info.HTTP &&
				row.Version == n.version() && row.Run == n.runID && row.Format == fsm.Format && n.consensus.Ready() == nil
		},
		Itself: func(ctx context.Context, rq peer.JoinRequest) error {
			_, err := n.member.Join(ctx, rq)
			return err
		}}.Run(ctx)
	if err != nil {
		err = n.nothingCame(err)
	}
	return err
}

// nothingCame is why this start was refused: the next one is where the node was before,
// unless it is told otherwise.
func (n *node) nothingCame(err error) error { return errors.Join(err, n.id.Return(n.was)) }

// seeds are where members should be: as the table says, which is empty at first
// after a restart, as the raft configuration says, and as we were told. Gossip asks
// before everything is put together.
func (n *node) seeds() []string {
	list := slices.Concat(n.cfg.Join, n.id.Others(), n.memberAddresses())
	if c := n.opened.Load(); c != nil {
		if servers, err := c.Servers(); err == nil {
			for _, s := range servers {
				if s.ID != n.id.ID {
					list = append(list, s.Addr)
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
