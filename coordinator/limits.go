package coordinator

import (
	"context"
	"errors"
	"fmt"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// Limits is what a repo may have, in bytes; 0 is the node's limit.
type Limits struct{ Size, Object int64 }

// least is what a repo with anything in it needs.
const least = 1 << 10

// admitLimits refuses limits that make no sense, and any while a member does not know
// them.
func (c *Coordinator) admitLimits(limits ...int64) error {
	for _, l := range limits {
		if l < 0 || l > 0 && l < least {
			return &Refusal{Code: "limit_invalid", Message: fmt.Sprintf("a limit of %d bytes is not possible: from %d up, or 0 for the nodes' own", l, least)}
		}
		if format := c.cfg.State.View().Format(); l > 0 && format < fsm.FormatLimits {
			return &Refusal{Code: fsm.CodeFormat, Message: fmt.Sprintf("limits of a repository need cluster format %d, the cluster is at %d", fsm.FormatLimits, format),
				Hint: "upgrade all nodes first"}
		}
	}
	return nil
}

// SetLimits changes the limits of a repo; nil leaves one as it is.
func (c *Coordinator) SetLimits(ctx context.Context, id string, size, object *int64, key string) error {
	for _, l := range []*int64{size, object} {
		if l == nil {
			continue
		}
		if err := c.admitLimits(*l); err != nil {
			return err
		}
	}
	out, err := c.cfg.Proposer.Propose(ctx, &command.SetLimits{Repo: id, MaxSize: size, MaxObjectSize: object}, key)
	if errors.Is(err, fsm.ErrNotAdmitted) {
		return &Refusal{Code: fsm.CodeFormat, Message: err.Error(), Hint: "upgrade all nodes first"}
	}
	if err == nil {
		err = fsm.AsError(out)
	}
	if err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	return nil
}
