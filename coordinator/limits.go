package coordinator

import (
	"context"
	"fmt"
	"strings"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/gitflaw"
	"gitmirror/internal/refusal"
)

// Limits is what a repo may have.
type Limits struct {
	Size, Object int64    // bytes; 0 is the node's limit
	Accept       []string // flaws of objects that are taken, see gitflaw.Acceptable
}

// Change is what shall become of a repo's limits; nil leaves one as it is.
type Change struct {
	Size, Object *int64
	Accept       *[]string
}

// least is what a repo with anything in it needs.
const least = 1 << 10

// admitLimits refuses limits that make no sense, and any while a member does not know
// them. The flaws are spelled as git does.
func (c *Coordinator) admitLimits(l *Limits) error {
	for _, n := range []int64{l.Size, l.Object} {
		if n < 0 || n > 0 && n < least {
			return refusal.New(refusal.LimitInvalid, "a limit of %d bytes is not possible: from %d up, or 0 for the nodes' own", n, least)
		}
	}
	var err error
	if l.Accept, err = gitflaw.Spelled(l.Accept); err != nil {
		return refusal.New(refusal.FlawInvalid, "%s", err).Try("these can be: %s", strings.Join(gitflaw.Acceptable, " "))
	}
	format := c.cfg.State.View().Format()
	refused := func(what string, needs uint32) error {
		return refusal.New(refusal.FormatTooOld, "%s of a repository need cluster format %d, the cluster is at %d", what, needs, format)
	}
	switch {
	case format < fsm.FormatLimits && (l.Size > 0 || l.Object > 0):
		return refused("limits", fsm.FormatLimits)
	case format < fsm.FormatFlaws && len(l.Accept) > 0:
		return refused("flaws", fsm.FormatFlaws)
	}
	return nil
}

// SetLimits changes the limits of a repo.
func (c *Coordinator) SetLimits(ctx context.Context, id string, change Change, key string) error {
	ask := &command.SetLimits{Repo: id, MaxSize: change.Size, MaxObjectSize: change.Object}
	l := Limits{Size: value(change.Size), Object: value(change.Object), Accept: value(change.Accept)}
	if err := c.admitLimits(&l); err != nil {
		return err
	}
	if change.Accept != nil {
		ask.Accept = &command.Flaws{Ids: l.Accept}
	}
	out, err := c.cfg.Proposer.Propose(ctx, ask, key)
	if err == nil {
		err = fsm.AsError(out)
	}
	if err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	return nil
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
