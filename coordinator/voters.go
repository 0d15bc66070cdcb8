package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitmirror/fsm"
)

// votersFor is how many of n nodes vote: an odd number, so that each voter
// counts, and never so many that a commit waits for a crowd.
func votersFor(n int) int {
	switch {
	case n <= 2:
		return 1
	case n <= 4:
		return 3
	}
	return maxVoters
}

const maxVoters = 5

// voters brings the raft configuration to the table's nodes, and never gives a
// vote to a node that lags. A node that raft does not take in holds up neither
// the others nor the votes.
func (c *Coordinator) voters(ctx context.Context) error {
	servers, err := c.cfg.Voters.Servers()
	if err != nil {
		return c.attempt(ctx, "voters", "", func(context.Context) error { return err })
	}
	view := c.cfg.State.View()
	errs := []error{c.dropServers(ctx, view, servers), c.placeServers(ctx, view, servers)}
	return errors.Join(append(errs, c.attempt(ctx, "votes", "", func(ctx context.Context) error {
		for range 2 * maxVoters {
			if changed, err := c.balanceVotes(ctx); err != nil || !changed {
				return err
			}
		}
		return nil
	}))...)
}

// dropServers removes from consensus whom the table does not have.
func (c *Coordinator) dropServers(ctx context.Context, view *fsm.View, servers []Server) error {
	var errs []error
	for _, s := range servers {
		if view.NodeByID(s.ID) != nil || s.ID == c.cfg.Self {
			continue
		}
		errs = append(errs, c.attempt(ctx, "voters", s.ID, func(ctx context.Context) error {
			c.log.Info("removing a node from consensus that is not in the table", "node", s.ID)
			return c.cfg.Voters.RemoveServer(ctx, s.ID)
		}))
	}
	return errors.Join(errs...)
}

// placeServers adds to consensus whom the table has, and follows their
// addresses. Addresses that were given up are freed first: raft refuses an
// address that two servers have.
func (c *Coordinator) placeServers(ctx context.Context, view *fsm.View, servers []Server) error {
	inRaft := map[string]Server{}
	for _, s := range servers {
		inRaft[s.ID] = s
	}
	var errs []error
	for _, freeing := range []bool{true, false} {
		for _, n := range view.Nodes() {
			s, known := inRaft[n.ID]
			addr := n.Peer
			if addr == "" {
				addr = nowhere(n.ID)
			}
			if freeing != (n.Peer == "") || !known && freeing || known && s.Addr == addr || n.State == fsm.NodeLeft {
				continue
			}
			errs = append(errs, c.attempt(ctx, "voters", n.Name, func(ctx context.Context) error {
				if err := c.cfg.Voters.AddNonvoter(ctx, n.ID, addr); err != nil {
					return fmt.Errorf("have node %s in consensus at %s: %w", n.Name, n.Peer, err)
				}
				return nil
			}))
		}
	}
	return errors.Join(errs...)
}

// nowhere is the address of a server whose address another node has now: the
// top-level domain is reserved for names that never resolve (RFC 6761).
func nowhere(id string) string { return id + ".invalid:1" }

func (c *Coordinator) balanceVotes(ctx context.Context) (changed bool, err error) {
	servers, err := c.cfg.Voters.Servers()
	if err != nil {
		return false, err
	}
	view, now := c.cfg.State.View(), time.Now()
	var voting, ready []*fsm.Node
	for _, s := range servers {
		n := view.NodeByID(s.ID)
		switch {
		case n == nil && s.Voter:
			// It was removed a moment ago, and counts as one of the majority until it is
			// dropped: to take another's vote now could leave it and us, which is no
			// majority, for good.
			return false, nil
		case n == nil:
		case s.Voter:
			voting = append(voting, n)
		case n.State == fsm.NodeUp && c.cfg.Voters.CaughtUp(n.ID):
			ready = append(ready, n)
		}
	}
	want := votersFor(len(view.Nodes()))
	byName := func(a, b *fsm.Node) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(ready, func(a, b *fsm.Node) int { return cmp.Or(compareBool(a.Draining(), b.Draining()), byName(a, b)) })
	// Who goes first when there are too many: those down longest, then those that are
	// draining, never us.
	slices.SortFunc(voting, func(a, b *fsm.Node) int {
		if down := compareBool(b.State == fsm.NodeDown, a.State == fsm.NodeDown); down != 0 {
			return down
		}
		if a.State == fsm.NodeDown {
			return cmp.Or(a.Since.Compare(b.Since), byName(b, a))
		}
		return cmp.Or(compareBool(b.Draining(), a.Draining()), byName(b, a))
	})
	spare := slices.IndexFunc(voting, func(n *fsm.Node) bool { return n.ID != c.cfg.Self })
	leaves := slices.IndexFunc(voting, func(n *fsm.Node) bool {
		return n.Draining() || n.ID != c.cfg.Self && c.downFor(view, n, now, min(spareAfter, c.cfg.ReplaceAfter))
	})
	switch {
	case len(voting) < want && len(voting)+len(ready) >= want:
		// Only when all that are needed are there: two voters are worse than one.
		c.log.Info("giving a vote", "node", ready[0].Name, "voters", len(voting)+1)
		return true, c.cfg.Voters.Promote(ctx, ready[0].ID)
	case len(voting) > want && leaves >= 0 && voting[leaves].ID == c.cfg.Self && voting[spare].State == fsm.NodeUp:
		// The vote that is to go is ours: another leader takes it, see handOver.
	case len(voting) > want && spare >= 0:
		c.log.Info("taking a vote", "node", voting[spare].Name, "voters", len(voting)-1)
		return true, c.cfg.Voters.Demote(ctx, voting[spare].ID)
	case len(voting) == want && len(ready) > 0 && !ready[0].Draining() && leaves >= 0:
		// A voter that is gone for good, or about to go, costs a failure we could tolerate.
		c.log.Info("giving a vote in place of a node that is down or draining", "node", ready[0].Name, "instead", voting[leaves].Name)
		return true, c.cfg.Voters.Promote(ctx, ready[0].ID)
	}
	return false, nil
}

// compareBool puts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// spareAfter is how long a voter is down before a node that has none gets a vote in its place.
// A vote costs nothing to move, as copies do; it comes back with the node when there is room.
const spareAfter = time.Minute

// downFor tells whether a node has been down for longer than that.
func (c *Coordinator) downFor(view *fsm.View, n *fsm.Node, now time.Time, d time.Duration) bool {
	return n.State == fsm.NodeDown && c.term.Load().absent.of(view, n, now) > d
}
