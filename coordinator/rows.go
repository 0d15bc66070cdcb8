package coordinator

import (
	"cmp"
	"slices"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// holders lists a row's copies that count, those in the making first and then
// by the load of their node: where one has to go, it is the last. A node that is
// down, or short of disk, keeps its copies, but not those it never made.
func (s *survey) holders(r *fsm.Repo) []uint32 {
	copies := slices.DeleteFunc(slices.Clone(r.Copies), func(cp fsm.Copy) bool {
		n := s.byNum[cp.Node]
		return cp.State == fsm.CopyLeaving || cp.State == fsm.CopyWanted && n != nil && (n.State == fsm.NodeDown || n.Disk != nil)
	})
	slices.SortStableFunc(copies, func(a, b fsm.Copy) int {
		if wa, wb := a.State == fsm.CopyWanted, b.State == fsm.CopyWanted; wa != wb {
			if wa {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(s.copies(a.Node), s.copies(b.Node)), cmp.Compare(a.Node, b.Node))
	})
	ids := make([]uint32, len(copies))
	for i, cp := range copies {
		ids[i] = uint32(cp.Node)
	}
	return ids
}

// step is what can be done for one row now: missing copies are wanted at once,
// surplus ones leave when every copy of the plan is ready.
func (s *survey) step(r *fsm.Repo, plan []uint32) *command.Placement {
	p := &command.Placement{Repo: r.ID, RowVersion: r.Version}
	settled := true
	for _, id := range plan {
		num := fsm.NodeNum(id)
		cp, ok := r.Copy(num)
		if n := s.byNum[num]; n != nil && !n.Serves() {
			settled = false // its copy may be as good, and nobody gets it
		}
		switch {
		case !ok:
			settled = false
			if s.wanted[num] < maxWanted {
				s.wanted[num]++
				p.Add = append(p.Add, s.byNum[num].ID)
			}
		case cp.State == fsm.CopyReady && cp.Generation == r.Generation:
		case r.Generation == 0 && cp.State == fsm.CopyWanted:
		default:
			settled = false
		}
	}
	if settled {
		for _, cp := range r.Copies {
			n := s.byNum[cp.Node]
			if cp.State != fsm.CopyLeaving && cp.Node != r.Owner && n != nil && !slices.Contains(plan, uint32(cp.Node)) {
				p.Leave = append(p.Leave, n.ID)
			}
		}
	}
	if len(p.Add) == 0 && len(p.Leave) == 0 {
		return nil
	}
	return p
}

// surplus tells whether a row has copies that count, and that the plan does not know.
func (s *survey) surplus(r *fsm.Repo, plan []uint32) bool {
	return slices.ContainsFunc(r.Copies, func(cp fsm.Copy) bool {
		return cp.State != fsm.CopyLeaving && s.byNum[cp.Node] != nil && !slices.Contains(plan, uint32(cp.Node))
	})
}

// short tells whether a copy of the plan has not even been asked for.
func (s *survey) short(r *fsm.Repo, plan []uint32) bool {
	return slices.ContainsFunc(plan, func(id uint32) bool { _, ok := r.Copy(fsm.NodeNum(id)); return !ok })
}

// complete tells whether a row is where the plan wants it, and nowhere else.
func (s *survey) complete(r *fsm.Repo, plan []uint32) bool {
	return !s.short(r, plan) && !s.surplus(r, plan)
}

// copies are those of a node that are to stay.
func (s *survey) copies(n fsm.NodeNum) int { return s.view.Holding(n).Copies }

// unwritable tells whether the owner of a row cannot write its copy, though its
// disk may be well as a whole.
func unwritable(r *fsm.Repo) bool { return r.Error != nil && r.Error.Class == "disk" }

// eligible lists the nodes that may own a row: up, and with nothing less than
// any other live copy. A live owner stays eligible while it is at work. Where
// others are as good, nodes that cannot do an owner's work and copies that the
// plan wants to drop are passed over.
func (s *survey) eligible(r *fsm.Repo, plan []uint32) []uint32 {
	var most uint64
	live := func(cp fsm.Copy) bool {
		n := s.byNum[cp.Node]
		return n != nil && mayOwn(n.State) && cp.State != fsm.CopyLeaving && cp.State != fsm.CopyBroken
	}
	for _, cp := range r.Copies {
		if live(cp) && cp.State == fsm.CopyReady {
			most = max(most, cp.Generation)
		}
	}
	if cp, ok := r.Copy(r.Owner); ok && r.Generation == 0 && live(cp) && s.able[r.Owner] && !s.byNum[r.Owner].Draining() {
		return []uint32{uint32(r.Owner)} // it is cloning: upstream is cloned once
	}
	// When all copies are on nodes that are not expected back, one in the making is
	// the last hope: it is made from upstream, and only an owner asks it.
	lost := !slices.ContainsFunc(r.Copies, func(cp fsm.Copy) bool {
		return cp.State == fsm.CopyReady && s.byNum[cp.Node] != nil && !s.gone[cp.Node]
	})
	var all []uint32
	for _, cp := range r.Copies {
		if live(cp) && cp.Generation >= most && (r.Generation == 0 || cp.State == fsm.CopyReady || lost) {
			all = append(all, uint32(cp.Node))
		}
	}
	prefer := func(good func(node uint32) bool) {
		if some := slices.DeleteFunc(slices.Clone(all), func(n uint32) bool { return !good(n) }); len(some) > 0 {
			all = some
		}
	}
	prefer(func(n uint32) bool { return s.able[fsm.NodeNum(n)] })
	if unwritable(r) && s.troubled.mayMove(r.ID, s.now) {
		prefer(func(n uint32) bool { return fsm.NodeNum(n) != r.Owner })
	}
	prefer(func(n uint32) bool { return slices.Contains(plan, n) })
	return all
}
