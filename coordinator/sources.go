package coordinator

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// retired has rows go to the trash that nobody has claimed for a week, and those of which there is
// nothing to be kept: they were never cloned, or no node has anything of them any more, which nobody would
// clone anew.
func (c *Coordinator) retired(ctx context.Context) error {
	view := c.cfg.State.View()
	if !view.DatesHold() {
		return nil
	}
	var ids []string
	view.Retired(func(r *fsm.Repo) bool {
		if view.Now().Sub(r.Sourced.RetiredAt()) >= fsm.RetiredFor || r.Generation == 0 || !kept(r) {
			ids = append(ids, r.ID)
		}
		return true
	})
	return each(ids, func(batch []string) error { return c.propose(ctx, &command.RemoveRepos{Ids: batch}) })
}

// kept tells whether any node, up or not, has a copy of a row: one that is broken is never taken back.
func kept(r *fsm.Repo) bool {
	return slices.ContainsFunc(r.Copies, func(c fsm.Copy) bool { return c.State == fsm.CopyReady })
}

// sources has the claims of those taken back that are being removed, and gives forges to nodes that list them.
func (c *Coordinator) sources(ctx context.Context) error {
	var errs []error
	view := c.cfg.State.View()
	for _, src := range view.Sources() {
		switch {
		case src.Removing:
			errs = append(errs, c.propose(ctx, &command.RemoveSource{Id: src.ID}))
		case src.IsForge():
			owner := lister(view, src)
			if owner == nil || owner.Num == src.Owner {
				continue
			}
			c.log.Info("another node lists a forge", "source", src.Name, "node", owner.Name)
			errs = append(errs, c.propose(ctx, &command.OwnSource{Id: src.ID, Epoch: src.Epoch, Owner: owner.ID}))
		}
	}
	return errors.Join(errs...)
}

// lister is the node that is to list a forge: the one that does, as long as it lives and may, or else the
// one of these that lists the fewest. It is nil while none is there: nobody else sees what those see that
// have the credential.
func lister(view *fsm.View, src *fsm.Source) *fsm.Node {
	may, _ := view.Listers(src)
	may = slices.DeleteFunc(slices.Clone(may), func(n *fsm.Node) bool { return !n.State.Live() })
	if staying := slices.DeleteFunc(slices.Clone(may), func(n *fsm.Node) bool { return !n.Drain.IsZero() }); len(staying) > 0 {
		may = staying
	}
	if len(may) == 0 {
		return nil
	}
	if i := slices.IndexFunc(may, func(n *fsm.Node) bool { return n.Num == src.Owner }); i >= 0 {
		return may[i]
	}
	lists := map[fsm.NodeNum]int{}
	for _, other := range view.Sources() {
		if other.IsForge() {
			lists[other.Owner]++
		}
	}
	return slices.MinFunc(may, func(a, b *fsm.Node) int {
		return cmp.Or(cmp.Compare(lists[a.Num], lists[b.Num]), cmp.Compare(a.Num, b.Num))
	})
}
