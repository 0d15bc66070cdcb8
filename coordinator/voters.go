package coordinator

import (
	"cmp"
	"context"
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

// voters brings the raft configuration to the table's nodes: one change at a
// time, and never a vote for a node that lags.
func (c *Coordinator) voters(ctx context.Context) error {
	for range 2 * maxVoters {
		changed, err := c.stepVoters(ctx)
		if err != nil || !changed {
			return err
		}
	}
	return nil
}

const maxVoters = 5

func (c *Coordinator) stepVoters(ctx context.Context) (changed bool, err error) {
	servers, err := c.cfg.Voters.Servers()
	if err != nil {
		return false, err
	}
	view := c.cfg.State.View()
	inRaft := map[string]Server{}
	for _, s := range servers {
		inRaft[s.ID] = s
		if view.NodeByID(s.ID) == nil && s.ID != c.cfg.Self {
			c.log.Info("removing a node from consensus that is not in the table", "node", s.ID)
			return true, c.cfg.Voters.RemoveServer(ctx, s.ID)
		}
	}
	for _, n := range view.Nodes() {
		s, ok := inRaft[n.ID]
		if (!ok || s.Addr != n.Peer) && n.State != fsm.NodeLeft {
			if err := c.cfg.Voters.AddNonvoter(ctx, n.ID, n.Peer); err != nil {
				return false, fmt.Errorf("add node %s to consensus: %w", n.Name, err)
			}
			return true, nil
		}
	}
	return c.balanceVotes(ctx, view, servers)
}

func (c *Coordinator) balanceVotes(ctx context.Context, view *fsm.View, servers []Server) (changed bool, err error) {
	now := time.Now()
	var voting, ready []*fsm.Node
	for _, s := range servers {
		n := view.NodeByID(s.ID)
		switch {
		case n == nil:
		case s.Voter:
			voting = append(voting, n)
		case n.State == fsm.NodeUp && c.cfg.Voters.CaughtUp(n.ID):
			ready = append(ready, n)
		}
	}
	want := votersFor(len(view.Nodes()))
	byName := func(a, b *fsm.Node) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(ready, byName)
	// Who goes first when there are too many: those down longest, never us.
	slices.SortFunc(voting, func(a, b *fsm.Node) int {
		if da, db := a.State == fsm.NodeDown, b.State == fsm.NodeDown; da != db {
			if da {
				return -1
			}
			return 1
		}
		return byName(b, a)
	})
	spare := slices.IndexFunc(voting, func(n *fsm.Node) bool { return n.ID != c.cfg.Self })
	switch {
	case len(voting) < want && len(voting)+len(ready) >= want:
		// Only when all that are needed are there: two voters are worse than one.
		c.log.Info("giving a vote", "node", ready[0].Name, "voters", len(voting)+1)
		return true, c.cfg.Voters.Promote(ctx, ready[0].ID)
	case len(voting) > want && spare >= 0:
		c.log.Info("taking a vote", "node", voting[spare].Name, "voters", len(voting)-1)
		return true, c.cfg.Voters.Demote(ctx, voting[spare].ID)
	case len(voting) == want && len(ready) > 0 && spare >= 0 && c.goneFor(voting[spare], now):
		// A voter that is gone for good costs a failure we could tolerate.
		c.log.Info("giving a vote in place of a node that is down", "node", ready[0].Name, "instead", voting[spare].Name)
		return true, c.cfg.Voters.Promote(ctx, ready[0].ID)
	}
	return false, nil
}

func (c *Coordinator) goneFor(n *fsm.Node, now time.Time) bool {
	return n.State == fsm.NodeDown && now.Sub(n.Since) > c.cfg.ReplaceAfter
}
