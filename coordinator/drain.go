package coordinator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// namedInTheWay is how many repos a refusal names.
const namedInTheWay = 10

// Drain has a node give all that it holds and owns to others, and get nothing new, until
// Undrain. It is refused where that could not come to an end as the other nodes are now; a
// node that is draining already may go on. Drain does not wait for the end.
func (c *Coordinator) Drain(ctx context.Context, id, key string) error {
	view := c.cfg.State.View()
	if n := view.NodeByID(id); n != nil && !n.Draining() {
		if err := canDrain(view, n); err != nil {
			return err
		}
	}
	return c.Do(ctx, &command.SetNodeDrain{Id: id, Draining: true}, key)
}

// Undrain has a node keep what it still has, and get its share again.
func (c *Coordinator) Undrain(ctx context.Context, id, key string) error {
	return c.Do(ctx, &command.SetNodeDrain{Id: id}, key)
}

// canDrain tells why the copies of a node can not all have an equal elsewhere: a repo wants
// more copies than there are other nodes that could have one, or one where git is, and none of
// those has it.
func canDrain(view *fsm.View, n *fsm.Node) error {
	if err := canDoWithoutItsGit(view, n); err != nil {
		return err
	}
	var takers []fsm.NodeNum
	var others []string // that get no copies now, and why
	for _, o := range view.Nodes() {
		switch why := cannotTake(o); {
		case o.Num == n.Num:
		case why == "":
			takers = append(takers, o.Num)
		default:
			others = append(others, o.Name+" "+why)
		}
	}
	missing, count := 0, 0
	var names []string
	view.HeldBy(n.Num, func(r *fsm.Repo) bool {
		if cp, _ := r.Copy(n.Num); r.Removed || cp.State == fsm.CopyLeaving {
			return true
		}
		can := len(takers)
		for _, cp := range r.Copies { // it may keep what it has
			o := view.Node(cp.Node)
			if cp.State == fsm.CopyReady && o != nil && o.Num != n.Num && o.Serves() && !o.Draining() && !slices.Contains(takers, o.Num) {
				can++
			}
		}
		if lack := r.Policy.Replicas - can; lack > 0 {
			missing, count = max(missing, lack), count+1
			if len(names) < namedInTheWay {
				names = append(names, fmt.Sprintf("%s (%d copies, %d nodes)", r.Name, r.Policy.Replicas, can))
			}
		}
		return true
	})
	if count == 0 {
		return nil
	}
	said := fmt.Sprintf("%s has copies of %d repositories that want more nodes than would be left, up to %d more: %s", n.Name, count, missing, strings.Join(names, ", "))
	if more := count - len(names); more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	if len(others) > 0 {
		said += "; not counted: " + strings.Join(others, ", ")
	}
	return refusal.New(refusal.DrainImpossible, "%s", said)
}

// canDoWithoutItsGit tells why clients would not get what a node holds any more: one copy of each
// repository is where git is, which makes their packs (ring.Node.Mute), and no other node that is left
// has git, nor a copy that it could keep.
func canDoWithoutItsGit(view *fsm.View, n *fsm.Node) error {
	if !n.HasGit() {
		return nil
	}
	for _, o := range view.Nodes() {
		if o.Num != n.Num && o.HasGit() && cannotTake(o) == "" {
			return nil
		}
	}
	count := 0
	var names []string
	view.HeldBy(n.Num, func(r *fsm.Repo) bool {
		if cp, _ := r.Copy(n.Num); r.Removed || cp.State == fsm.CopyLeaving {
			return true
		}
		kept := slices.ContainsFunc(r.Copies, func(cp fsm.Copy) bool {
			o := view.Node(cp.Node)
			return cp.State == fsm.CopyReady && o != nil && o.Num != n.Num && o.HasGit() && o.Serves() && !o.Draining()
		})
		if !kept {
			if count++; len(names) < namedInTheWay {
				names = append(names, r.Name)
			}
		}
		return true
	})
	if count == 0 {
		return nil
	}
	said := fmt.Sprintf("no other node that could have its copies has git: clients would get nothing of %d repositories: %s", count, strings.Join(names, ", "))
	if more := count - len(names); more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	return refusal.New(refusal.DrainImpossible, "%s", said).Try("start another node that has git with --join, or bring one back: gitmirror node ls shows the engines")
}

// cannotTake is why a node gets no new copies now, empty where it does.
func cannotTake(n *fsm.Node) string {
	switch {
	case n.State != fsm.NodeUp:
		return "is " + string(n.State)
	case n.Draining():
		return "is draining"
	case n.Sick != nil:
		return "has its copies out of service"
	case n.Disk != nil:
		return "has a disk that is " + n.Disk.Class
	}
	return ""
}
