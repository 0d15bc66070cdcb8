package fsm

import (
	"slices"
	"strings"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func (s *State) place(e entry, c *command.Place) *command.Outcome {
	return batch(c.GetRows(), func(p *command.Placement) *command.Item { return s.placeRow(e, p) })
}

// placeRow changes which nodes shall hold a repo: all that the row asks for,
// or nothing of it.
func (s *State) placeRow(e entry, p *command.Placement) *command.Item {
	t, id := &s.tables, p.GetRepo()
	row := t.liveRepo(id)
	if row == nil {
		return refuseItem(id, refusal.NotFound, "no repo %q", id)
	}
	if row.Version != p.GetRowVersion() {
		return refuseItem(id, refusal.StaleRow, "%s has changed: version %d, not %d", row.Name, row.Version, p.GetRowVersion())
	}
	next := row.edit()
	for _, node := range p.GetAdd() {
		if refused := s.addCopy(next, node); refused != nil {
			return refused
		}
	}
	for _, node := range p.GetLeave() {
		if refused := s.leaveCopy(next, node); refused != nil {
			return refused
		}
	}
	if len(next.Copies) > maxCopies {
		return refuseItem(id, refusal.Invalid, "%d copies, more than %d", len(next.Copies), maxCopies)
	}
	if len(p.GetLeave()) > 0 && row.Generation > 0 && t.liveReady(next, 0) == 0 {
		return refuseItem(id, refusal.LastCopy, "no ready copy of %s would be left on a node that lives", row.Name)
	}
	if !slices.Equal(row.Copies, next.Copies) {
		t.store(e, next)
		if t.format < formatSources || len(row.Copies) > 0 || row.Generation > 0 { // the first place is no move
			t.recordMove(e, next, p)
		}
	}
	return ok(id)
}

func (s *State) addCopy(row *Repo, node string) *command.Item {
	n := s.tables.nodes.byID[node]
	if n == nil {
		return refuseItem(row.ID, refusal.NotFound, "no node %q", node)
	}
	held, holds := row.Copy(n.Num)
	switch {
	case !holds && n.Draining():
		return refuseItem(row.ID, refusal.Invalid, "%s is draining: it gets no copy of %s", n.Name, row.Name)
	case !holds:
		row.putCopy(Copy{Node: n.Num, State: CopyWanted})
	case held.State == CopyLeaving:
		return refuseItem(row.ID, refusal.Invalid, "the copy of %s on %s is leaving: wait until it has gone", row.Name, n.Name)
	}
	return nil
}

func (s *State) leaveCopy(row *Repo, node string) *command.Item {
	n := s.tables.nodes.byID[node]
	if n == nil {
		return refuseItem(row.ID, refusal.NotFound, "no node %q", node)
	}
	held, holds := row.Copy(n.Num)
	switch {
	case !holds:
		return refuseItem(row.ID, refusal.NotFound, "no copy of %s on %s", row.Name, n.Name)
	case row.Owner == n.Num:
		return refuseItem(row.ID, refusal.Invalid, "%s owns %s: move ownership first", n.Name, row.Name)
	}
	held.State = CopyLeaving
	row.putCopy(held)
	return nil
}

func (s *State) assignOwners(e entry, c *command.AssignOwners) *command.Outcome {
	return batch(c.GetRows(), func(o *command.Ownership) *command.Item { return s.assignOwner(e, o) })
}

// assignOwner raises the epoch in any case: whoever asks wants to be sure that
// no publish of an earlier owner comes after it.
func (s *State) assignOwner(e entry, o *command.Ownership) *command.Item {
	t, id := &s.tables, o.GetRepo()
	row := t.liveRepo(id)
	if row == nil {
		return refuseItem(id, refusal.NotFound, "no repo %q", id)
	}
	if row.Epoch != o.GetEpoch() {
		return refuseItem(id, refusal.StaleEpoch, "%s is in epoch %d, not %d", row.Name, row.Epoch, o.GetEpoch())
	}
	var owner NodeNum
	if o.GetOwner() != "" {
		n := t.nodes.byID[o.GetOwner()]
		if n == nil {
			return refuseItem(id, refusal.NotFound, "no node %q", o.GetOwner())
		}
		held, holds := row.Copy(n.Num)
		if !holds {
			return refuseItem(id, refusal.NotFound, "no copy of %s on %s", row.Name, n.Name)
		}
		if held.State == CopyLeaving || held.State == CopyBroken {
			return refuseItem(id, refusal.Invalid, "the copy of %s on %s is %s", row.Name, n.Name, held.State)
		}
		owner = n.Num
	}
	next := row.edit()
	next.Owner = owner
	next.Epoch++
	t.store(e, next)
	if first := row.Epoch == 0 && row.Generation == 0; owner != row.Owner && (t.format < formatSources || !first) {
		t.record(e, EventOwnerChanged, next, "from "+t.nodeName(row.Owner)+" to "+t.nodeName(owner))
	}
	return ok(id)
}

// recordMove says which nodes a repo comes to, and which it leaves.
func (t *tables) recordMove(e entry, row *Repo, p *command.Placement) {
	if t.format < formatEvents {
		return
	}
	var said []string
	for _, way := range []struct {
		word string
		ids  []string
	}{{"to ", p.GetAdd()}, {"away from ", p.GetLeave()}} {
		var names []string
		for _, id := range way.ids {
			names = append(names, t.nodes.byID[id].Name)
		}
		if len(names) > 0 {
			said = append(said, way.word+strings.Join(names, " and "))
		}
	}
	t.record(e, EventMoved, row, strings.Join(said, ", "))
}

// nodeName is for messages.
func (t *tables) nodeName(n NodeNum) string {
	if node := t.nodes.byNum[n]; node != nil {
		return node.Name
	}
	return "none"
}
