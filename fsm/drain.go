package fsm

import (
	"fmt"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// setNodeDrain notes whether a node is to give what it has to others. Whether that can come
// to an end is the leader's to judge.
func (s *State) setNodeDrain(e entry, c *command.SetNodeDrain) *command.Outcome {
	t := &s.tables
	n := t.nodes.byID[c.GetId()]
	if n == nil {
		return refuse(refusal.NotFound, "no node %q", c.GetId())
	}
	if n.Draining() == c.GetDraining() {
		return done()
	}
	next, kind := *n, EventNodeUndrained
	next.Drain = time.Time{}
	if c.GetDraining() {
		// A snapshot has 0 for a node that is not draining.
		next.Drain, kind = atTime(max(e.at.UnixMilli(), 1)), EventNodeDraining
	}
	t.nodes = t.nodes.with(&next)
	var held Holding
	if shelf := t.held.byNode[n.Num]; shelf != nil {
		held = shelf.Holding
	}
	t.recordNode(e, kind, &next, fmt.Sprintf("holds %d copies, owns %d repos", held.Copies, held.Owned))
	return done()
}
