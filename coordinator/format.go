package coordinator

import (
	"context"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// format raises the cluster format to what every member speaks.
func (c *Coordinator) format(ctx context.Context) error {
	view := c.cfg.State.View()
	if view.ClusterID() == "" || len(view.Nodes()) == 0 {
		return nil
	}
	least := fsm.Format
	for _, n := range view.Nodes() {
		least = min(least, n.Format)
	}
	if least <= view.Format() {
		return nil
	}
	c.log.Info("raising the cluster format", "from", view.Format(), "to", least)
	return c.propose(ctx, &command.RaiseFormat{Format: least})
}
