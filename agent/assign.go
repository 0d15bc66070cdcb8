package agent

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"gitmirror/fsm"
	"gitmirror/internal/clock"
)

const (
	// assignSpacing lets a burst of log entries be taken together.
	assignSpacing = 2 * time.Millisecond
	// compareEvery is how often all rows of this node are compared with what the
	// mirror was given.
	compareEvery = 10 * time.Minute
	// removeAgain is when a removal that failed is tried again.
	removeAgain = 10 * time.Second
)

// assignments is what the mirror was given, and of which view. It begins with all rows of
// this node; from then on only rows that have changed are looked at.
type assignments struct {
	agent   *Agent
	index   uint64            // of the view
	format  uint32            // of the cluster: assignments depend on it
	all     bool              // they were given once
	given   map[string]uint64 // versions of the rows, by id
	leaving map[string]bool   // copies here that are to leave, and were not seen gone
	wanted  map[string]bool   // copies that are to stay again while their removal is under way
}

func (a *Agent) newAssignments() *assignments {
	return &assignments{agent: a, given: map[string]uint64{}, leaving: map[string]bool{}, wanted: map[string]bool{}}
}

// assign keeps the mirror's assignments at what the table says; removals run in
// g, because they wait for what the mirror does with the copy.
func (a *Agent) assign(ctx context.Context, g *errgroup.Group) error {
	as := a.newAssignments()
	compare, again := time.NewTicker(compareEvery), time.NewTicker(removeAgain)
	defer compare.Stop()
	defer again.Stop()
	for {
		changed := a.cfg.State.Changed()
		as.follow(a.cfg.State.View())
		for _, id := range as.removable() {
			g.Go(func() error { a.remove(ctx, id); return nil })
		}
		if clock.Sleep(ctx, clock.System, assignSpacing) != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-a.thrown:
			as.giveWanted(a.cfg.State.View())
		case <-again.C:
		case <-compare.C:
			as.compare(a.cfg.State.View())
		}
	}
}

// Mended counts the rows that the comparison in the background found to be other than
// what the mirror was given. There should be none.
func (a *Agent) Mended() int64 { return a.mended.Load() }

// follow hands out what has changed since the last view, or everything where that is not
// known.
func (as *assignments) follow(view *fsm.View) {
	self := view.NodeByID(as.agent.cfg.Self)
	if self == nil {
		return
	}
	if as.agent.watchNodes(view, time.Now()) {
		as.agent.mirror.Returned()
	}
	ids, known := view.ChangedSince(as.index)
	if !known || !as.all || as.format != view.Format() {
		as.startOver(view, self.Num)
	}
	for _, id := range ids {
		as.put(view, self.Num, id)
	}
	as.index, as.format, as.all = view.Index(), view.Format(), true
}

// startOver hands out all rows of this node, and takes back the others.
func (as *assignments) startOver(view *fsm.View, self fsm.NodeNum) {
	for _, id := range as.strange(view, self) {
		as.put(view, self, id)
	}
	view.HeldBy(self, func(r *fsm.Repo) bool {
		as.give(view, self, r)
		return true
	})
}

// strange lists what was given and is not among this node's rows any more.
func (as *assignments) strange(view *fsm.View, self fsm.NodeNum) (ids []string) {
	for id := range as.given {
		if r := view.Repo(id); r == nil || !stays(r, self) {
			ids = append(ids, id)
		}
	}
	return ids
}

// stays tells whether a row has a copy on the node that is not to leave.
func stays(r *fsm.Repo, self fsm.NodeNum) bool {
	cp, ok := r.Copy(self)
	return ok && cp.State != fsm.CopyLeaving
}

// put brings one row that has changed to the mirror. A row that is gone, or has no copy
// here any more, is taken back at once, and nothing is deleted.
func (as *assignments) put(view *fsm.View, self fsm.NodeNum, id string) {
	r := view.Repo(id)
	if r != nil {
		if _, here := r.Copy(self); here {
			as.give(view, self, r)
			return
		}
	}
	delete(as.leaving, id)
	delete(as.wanted, id)
	as.takeBack(id)
}

// give hands out a row that has a copy here.
func (as *assignments) give(view *fsm.View, self fsm.NodeNum, r *fsm.Repo) {
	if stays(r, self) {
		delete(as.leaving, r.ID)
		if as.agent.isRemoving(r.ID) {
			as.wanted[r.ID] = true // until it is in the trash it cannot be taken back
			return
		}
		as.takeFromTrash(r, self)
		as.given[r.ID] = r.Version
		as.agent.mirror.Assign(assignmentOf(view, r, self))
	} else {
		as.leaving[r.ID] = true
		delete(as.wanted, r.ID)
		as.takeBack(r.ID)
	}
	as.agent.Changed(r.ID)
}

// giveWanted hands out rows again that are to stay, and whose removal was under way.
func (as *assignments) giveWanted(view *fsm.View) {
	self := view.NodeByID(as.agent.cfg.Self)
	if self == nil {
		return
	}
	for id := range as.wanted {
		if !as.agent.isRemoving(id) {
			delete(as.wanted, id)
			as.put(view, self.Num, id)
		}
	}
}

// takeFromTrash brings back what this node has said that it has, and what is not here: it was
// removed, and restored since. It comes before everything else, so that nothing is copied,
// cloned or called broken that is here.
func (as *assignments) takeFromTrash(r *fsm.Repo, self fsm.NodeNum) {
	if cp, _ := r.Copy(self); cp.State != fsm.CopyReady || as.agent.holds(r.ID) {
		return
	}
	if err := as.agent.mirror.TakeBack(r.ID); err != nil {
		as.agent.log.Warn("cannot take a copy back from the trash, it is made anew", "repo", r.Name, "err", err)
	}
}

func (as *assignments) takeBack(id string) {
	if _, given := as.given[id]; given {
		delete(as.given, id)
		as.agent.mirror.Unassign(id)
	}
}

// compare looks at all rows of this node, and counts and mends what is not as it was
// given. A copy that is to leave is looked for again: it may have come back.
func (as *assignments) compare(view *fsm.View) {
	as.follow(view)
	self := view.NodeByID(as.agent.cfg.Self)
	if self == nil {
		return
	}
	wrong := as.strange(view, self.Num)
	view.HeldBy(self.Num, func(r *fsm.Repo) bool {
		switch {
		case !stays(r, self.Num):
			as.leaving[r.ID] = true
		case as.given[r.ID] != r.Version && !as.wanted[r.ID]:
			wrong = append(wrong, r.ID)
		}
		return true
	})
	for _, id := range wrong {
		as.put(view, self.Num, id)
	}
	if len(wrong) > 0 {
		as.agent.mended.Add(int64(len(wrong)))
		as.agent.log.Error("assignments were not what the table says", "repos", len(wrong), "first", wrong[0])
	}
}

// removable returns the copies whose removal has to begin.
func (as *assignments) removable() (ids []string) {
	a := as.agent
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range as.leaving {
		switch {
		case a.removing[id]:
		case a.holds(id):
			a.removing[id] = true
			ids = append(ids, id)
		default:
			delete(as.leaving, id)
		}
	}
	return ids
}

func (a *Agent) isRemoving(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.removing[id]
}

func (a *Agent) holds(id string) bool {
	_, held := a.mirror.Status(id)
	return held
}

// remove takes a copy that is to leave out of service. What fails is tried again
// later.
func (a *Agent) remove(ctx context.Context, id string) {
	name := id
	if r := a.cfg.State.View().Repo(id); r != nil {
		name = r.Name
	}
	err := a.mirror.Remove(ctx, id)
	a.mu.Lock()
	delete(a.removing, id)
	a.mu.Unlock()
	select {
	case a.thrown <- struct{}{}:
	default:
	}
	if err != nil {
		a.log.Warn("cannot remove a copy", "repo", name, "err", err)
		return
	}
	a.log.Debug("removed a copy", "repo", name)
	a.Changed(id)
}
