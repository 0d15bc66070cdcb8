package coordinator

import (
	"context"
	"errors"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// retired has rows go to the trash that nobody has claimed for a week, and those of which there is
// nothing to be kept.
func (c *Coordinator) retired(ctx context.Context) error {
	view := c.cfg.State.View()
	if !view.DatesHold() {
		return nil
	}
	var ids []string
	view.Retired(func(r *fsm.Repo) bool {
		if view.Now().Sub(r.Sourced.RetiredAt()) >= fsm.RetiredFor || r.Generation == 0 {
			ids = append(ids, r.ID)
		}
		return true
	})
	return each(ids, func(batch []string) error { return c.propose(ctx, &command.RemoveRepos{Ids: batch}) })
}

// sources has the claims of those taken back that are being removed.
func (c *Coordinator) sources(ctx context.Context) error {
	var errs []error
	for _, src := range c.cfg.State.View().Sources() {
		if src.Removing {
			errs = append(errs, c.propose(ctx, &command.RemoveSource{Id: src.ID}))
		}
	}
	return errors.Join(errs...)
}
