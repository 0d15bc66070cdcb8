package agent

import (
	"context"
	"slices"
	"time"

	"gitmirror/fsm"
)

// takerPatience is for how long a node that went down may be back in a moment: a
// restart, one node after the other, takes as long.
const takerPatience = 10 * time.Second

// AwaitCopies returns when no other live node lacks what only this one has: of
// each repo, the newest generation here has a second copy, or nobody is there, or
// was there a moment ago, to take one. It returns the repos that are left when ctx
// ends.
func (a *Agent) AwaitCopies(ctx context.Context) (alone []string) {
	look := time.NewTicker(time.Second) // moments go by
	defer look.Stop()
	for {
		changed := a.cfg.State.Changed()
		if alone = a.alone(time.Now()); len(alone) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-look.C:
		case <-ctx.Done():
			return alone
		}
	}
}

// alone lists the repos whose published generation is on this node only, while a
// live node shall hold a copy too.
func (a *Agent) alone(now time.Time) (names []string) {
	view := a.cfg.State.View()
	self := view.NodeByID(a.cfg.Self)
	if self == nil {
		return nil
	}
	a.watchNodes(view, now)
	view.HeldBy(self.Num, func(r *fsm.Repo) bool {
		mine, _ := r.Copy(self.Num)
		if r.Removed || r.Generation == 0 || mine.State != fsm.CopyReady || mine.Generation != r.Generation {
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
			able := n.Sick == nil && (n.Disk == nil || n.Disk.Class == fsm.DiskLow)
			taker = taker || able && (n.State.Live() || a.downFor(n, now) < takerPatience)
		}
		if taker {
			names = append(names, r.Name)
		}
		return true
	})
	slices.Sort(names)
	return names
}
