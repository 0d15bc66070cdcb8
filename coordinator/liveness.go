package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// unseenFor is how long a node that gossip has not met in this term counts as
// alive: a leader that has just started knows nobody yet.
const unseenFor = 5 * time.Second

// deafAfter is how long a node may not answer the leader and count as alive because gossip
// hears of it. Who cannot be led publishes nothing, and does not know what it owns.
const deafAfter = 8 * time.Second

// liveness brings the nodes' states in the table to what gossip says, and raft.
func (c *Coordinator) liveness(ctx context.Context) error {
	alive := c.cfg.Members.Alive()
	now := time.Now()
	for id, at := range c.cfg.Voters.Answered() {
		if began := c.term.Load().began; at.Before(began) {
			at = began
		}
		if now.Sub(at) >= deafAfter {
			alive[id] = false
		}
	}
	var errs []error
	for _, n := range c.cfg.State.View().Nodes() {
		want := c.judge(n, alive, now)
		if want == command.NodeState_NODE_STATE_UNSPECIFIED {
			continue
		}
		errs = append(errs, c.attempt(ctx, "liveness", n.Name, func(ctx context.Context) error {
			c.log.Debug("node changes state", "node", n.Name, "from", n.State, "to", nodeStateName(want))
			if err := c.propose(ctx, &command.SetNodeState{Id: n.ID, State: want}); err != nil {
				return fmt.Errorf("record that node %s is %s: %w", n.Name, nodeStateName(want), err)
			}
			return nil
		}))
	}
	return errors.Join(errs...)
}

// judge returns the state a node should get, or unspecified for no change.
func (c *Coordinator) judge(n *fsm.Node, alive map[string]bool, now time.Time) command.NodeState {
	missing := c.term.Load().missing
	up, known := alive[n.ID]
	if n.ID == c.cfg.Self {
		up, known = true, true
	}
	if known {
		delete(missing, n.ID)
	} else {
		since, ok := missing[n.ID]
		if !ok {
			missing[n.ID] = now
			since = now
		}
		if now.Sub(since) < unseenFor {
			return command.NodeState_NODE_STATE_UNSPECIFIED
		}
	}
	switch {
	case up && (n.State == fsm.NodeDown || n.State == fsm.NodeSuspect || n.State == fsm.NodeLeft):
		return command.NodeState_NODE_STATE_UP
	case !up && (n.State == fsm.NodeUp || n.State == fsm.NodeSuspect):
		return command.NodeState_NODE_STATE_DOWN
	}
	return command.NodeState_NODE_STATE_UNSPECIFIED
}

func nodeStateName(s command.NodeState) fsm.NodeState {
	switch s {
	case command.NodeState_NODE_STATE_UP:
		return fsm.NodeUp
	case command.NodeState_NODE_STATE_DOWN:
		return fsm.NodeDown
	}
	return fsm.NodeState(s.String())
}
