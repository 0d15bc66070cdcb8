package agent

import (
	"context"

	"gitmirror/fsm"
)

// AwaitCopies returns when no other live node lacks what only this one has: of
// each repo, the newest generation here has a second copy, or nobody is there
// to take one. It returns the repos that are left when ctx ends.
func (a *Agent) AwaitCopies(ctx context.Context) (alone []string) {
	for {
		changed := a.cfg.State.Changed()
		if alone = a.alone(); len(alone) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return alone
		}
	}
}

// alone lists the repos whose published generation is on this node only, while a
// live node shall hold a copy too.
func (a *Agent) alone() (names []string) {
	view := a.cfg.State.View()
	self := view.NodeByID(a.cfg.Self)
	if self == nil {
		return nil
	}
	view.Repos("", func(r *fsm.Repo) bool {
		mine, ok := r.Copy(self.Num)
		if !ok || r.Removed || r.Generation == 0 || mine.State != fsm.CopyReady || mine.Generation != r.Generation {
			return true
		}
		taker := false
		for _, cp := range r.Copies {
			n := view.Node(cp.Node)
			if cp.Node == self.Num || n == nil || cp.State == fsm.CopyLeaving {
				continue
			}
			if cp.State == fsm.CopyReady && cp.Generation == r.Generation {
				return true
			}
			taker = taker || n.Serves() && (n.Disk == nil || n.Disk.Class == fsm.DiskLow)
		}
		if taker {
			names = append(names, r.Name)
		}
		return true
	})
	return names
}
