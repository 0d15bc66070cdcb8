package fsm

import (
	"cmp"
	"fmt"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
)

func (s *State) addRepos(e entry, c *command.AddRepos) *command.Outcome {
	return batch(c.GetRepos(), func(r *command.NewRepo) *command.Item { return s.addRepo(e, r) })
}

func (s *State) addRepo(e entry, r *command.NewRepo) *command.Item {
	t, id := &s.tables, r.GetId()
	if err := checkNewRepo(r); err != nil {
		return refuseItem(id, refusal.Invalid, "%v", err)
	}
	if row := t.repoByURLKey(r.GetUrlKeys()[0]); row != nil && row.Sourced != nil && !row.Sourced.Hand && row.upstreamKeys()[0] == r.GetUrlKeys()[0] && (row.Estranged() == "" || row.hasYielded()) {
		return s.byHand(e, row, r)
	}
	again, was := t.lapsedFrom(r.GetUrlKeys()[0]), ""
	if again != nil {
		was = again.ID
	}
	taken, gives := t.upstreamTaken(was, r.GetUrls(), r.GetUrlKeys())
	if taken = cmp.Or(t.nameTaken(was, r.GetName()), taken); taken != nil {
		taken.Repo = id
		return taken
	}
	if again != nil { // what nobody wanted any more, though at another address
		t.gives(e, gives...)
		t.reachedAt(e, was, r.GetUrls(), r.GetUrlKeys())
		return s.byHand(e, t.repo(was), r)
	}
	if other := t.repo(id); other != nil {
		return refuseItem(id, refusal.Invalid, "the id belongs to %s", other.Name)
	}
	if was := t.trash.find(id); was != nil {
		return refuseItem(id, refusal.Invalid, "the id belongs to %s, which was removed", was.Name)
	}
	row := s.newRow(e, r)
	if refused := s.firstCopies(row, r); refused != nil {
		return refused
	}
	t.gives(e, gives...) // what nobody wants keeps no address whose content it never had, nor any other that is wanted
	t.giveWay(e, id, r.GetName())
	t.store(e, row)
	t.record(e, EventRepoAdded, row, "")
	return ok(id)
}

// nameTaken refuses a name that a row is found by, other than that of an id.
func (t *tables) nameTaken(id, name string) *command.Item {
	other := t.repoNamed(name)
	if other == nil || other.ID == id || other.retired() && !other.hasLastName() || t.formerly(other, name) {
		return nil // one that is retired gives way, and so does what a row was called before
	}
	item := refuseItem(id, refusal.ConflictName, "there is a repo %s already", other.Name)
	if asciifold.Compare(other.Name, name) != 0 {
		item.Message = fmt.Sprintf("%s is another name of %s", name, other.Name)
	}
	item.Existing = other.Name
	return item
}

// upstreamTaken refuses what a row mirrors, other than that of an id, and tells which addresses are to be given by rows that
// nobody wants any more.
func (t *tables) upstreamTaken(id string, urls, keys []string) (taken *command.Item, gives []string) {
	for i, key := range keys {
		other := t.repoByURLKey(key)
		switch {
		case other == nil || other.ID == id:
		case t.mayGive(other, nil):
			gives = append(gives, key)
		default:
			return takenBy(id, other, key, urls[i]), nil
		}
	}
	return nil, gives
}

// takenBy refuses an address that another row has.
func takenBy(id string, other *Repo, key, url string) *command.Item {
	if other.Estranged() != "" && other.upstreamKeys()[0] == key {
		return estranged(id, other)
	}
	item := refuseItem(id, refusal.ConflictURL, "%s mirrors %s already", other.Name, url)
	item.Existing = other.Name
	return item
}

// newRow makes a row without copies.
func (s *State) newRow(e entry, r *command.NewRepo) *Repo {
	row := &Repo{
		ID:      r.GetId(),
		Name:    r.GetName(),
		Policy:  s.shared.policy(visible(policyOf(r.GetPolicy()), s.tables.format).Resolved()),
		Rarely:  &Rarely{Labels: s.shared.labelSet(r.GetLabels())},
		addedMS: toMS(e.at),
	}
	row.pack()
	row.setURLs(r.GetUrls(), r.GetUrlKeys())
	return row
}

// firstCopies gives a new row the copies and the owner that it asks for.
func (s *State) firstCopies(row *Repo, r *command.NewRepo) *command.Item {
	row.Copies = make([]Copy, 0, len(r.GetCopies()))
	for _, id := range r.GetCopies() {
		n := s.tables.nodes.byID[id]
		if n == nil {
			return refuseItem(row.ID, refusal.NotFound, "no node %q", id)
		}
		if _, twice := row.Copy(n.Num); twice {
			return refuseItem(row.ID, refusal.Invalid, "two copies on node %s", n.Name)
		}
		row.putCopy(Copy{Node: n.Num, State: CopyWanted})
	}
	if r.GetOwner() == "" {
		return nil
	}
	owner := s.tables.nodes.byID[r.GetOwner()]
	if owner == nil {
		return refuseItem(row.ID, refusal.NotFound, "no node %q", r.GetOwner())
	}
	if _, holds := row.Copy(owner.Num); !holds {
		return refuseItem(row.ID, refusal.Invalid, "owner %s has no copy", owner.Name)
	}
	row.Owner, row.Epoch = owner.Num, 1
	return nil
}

func (s *State) removeRepos(e entry, c *command.RemoveRepos) *command.Outcome {
	return batch(c.GetIds(), func(id string) *command.Item { return s.removeRepo(e, id) })
}

// removeRepo is the one command that lets the last copy leave: an operator
// asked for it.
func (s *State) removeRepo(e entry, id string) *command.Item {
	t := &s.tables
	row := t.liveRepo(id)
	if row == nil {
		return refuseItem(id, refusal.NotFound, "no repo %q", id)
	}
	if list := t.claims.on(id); len(list) > 0 {
		return s.letGo(e, row, list)
	}
	next := row.edit()
	next.Removed, next.Owner = true, 0
	next.Epoch++
	for i := range next.Copies {
		next.Copies[i].State = CopyLeaving
	}
	t.store(e, next)
	detail := ""
	if t.format >= formatTrash {
		detail = restorable(t.putInTrash(e, row))
	}
	t.recordBy(e, t.teller(row), EventRepoRemoved, next, detail)
	return ok(id)
}
