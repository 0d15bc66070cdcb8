package fsm

import (
	"fmt"
	"slices"
	"unique"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// publish makes a prepared ref table the repo's. Epoch and generation fence
// off an owner that has been replaced without knowing it; the candidate makes
// a retry harmless however late it comes.
func (s *State) publish(e entry, c *command.Publish) *command.Outcome {
	t := &s.tables
	if err := checkPublish(c); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	row := t.liveRepo(c.GetRepo())
	if row == nil {
		return refuse(refusal.NotFound, "no repo %q", c.GetRepo())
	}
	if row.candidate == c.GetCandidate() && row.Generation == c.GetGeneration() {
		return done()
	}
	if refused := s.fence(row, c); refused != nil {
		return refused
	}
	next := s.published(e, row, c)
	event := t.publishEvent(e, row, next, c)
	t.events.add(event)
	next.event = event.Seq
	t.store(e, next)
	if !c.GetPinned() && (row.Error != nil || row.Hold != nil) {
		t.record(e, EventRecovered, next, t.recovery(e, row, next))
	}
	s.reviewed(e, row)
	if had, holds := row.Copy(row.Owner); holds {
		has, _ := next.Copy(row.Owner)
		t.recordCopy(e, next, had, has)
	}
	return done()
}

// fence refuses whoever is not the owner of the row as it is now.
func (s *State) fence(row *Repo, c *command.Publish) *command.Outcome {
	node := s.tables.nodes.byID[c.GetNode()]
	if node == nil || row.Owner != node.Num {
		return refuse(refusal.NotOwner, "node %s does not own %s", c.GetNode(), row.Name)
	}
	if row.Epoch != c.GetEpoch() {
		return refuse(refusal.StaleEpoch, "%s is in epoch %d, not %d", row.Name, row.Epoch, c.GetEpoch())
	}
	if row.Generation != c.GetFromGeneration() || c.GetGeneration() != c.GetFromGeneration()+1 {
		return refuse(refusal.StaleGeneration, "%s is at generation %d: %d cannot follow from %d",
			row.Name, row.Generation, c.GetGeneration(), c.GetFromGeneration())
	}
	return nil
}

// published is the row after the publish.
func (s *State) published(e entry, row *Repo, c *command.Publish) *Repo {
	next := row.edit()
	next.Generation = c.GetGeneration()
	next.Digest = Digest(c.GetDigest())
	next.RefsDigest = Digest(c.GetRefsDigest())
	next.Refs = c.GetRefs()
	next.head = unique.Make(c.GetHead())
	next.candidate = c.GetCandidate()
	next.pack()
	next.changedMS = toMS(e.at)
	if !c.GetPinned() {
		next.Error, next.Hold = nil, nil
	}
	if s.tables.format >= formatWords {
		next.hear(c.GetHeard())
	} else if !c.GetPinned() {
		next.Approved = nil
	}
	next.baseNumber, next.baseDigest = c.GetBaseGeneration(), digestFrom(c.GetBaseDigest())
	next.Lost = stillLost(row, c)
	next.putCopy(Copy{Node: row.Owner, State: CopyReady, Generation: next.Generation})
	return next
}

// stillLost lists the generations of which not everything is at the owner: a
// copy that has one of them live must not throw it away. The oldest give way.
func stillLost(row *Repo, c *command.Publish) []Generation {
	lost := slices.DeleteFunc(slices.Clone(row.Lost), func(g Generation) bool {
		return slices.Contains(c.GetRecovered(), g.Number)
	})
	if row.Generation > 0 && !c.GetComplete() {
		lost = append(lost, Generation{row.Generation, row.Digest})
	}
	lost = lost[max(0, len(lost)-maxLost):]
	if len(lost) == 0 {
		return nil
	}
	return lost
}

func (t *tables) publishEvent(e entry, row, next *Repo, c *command.Publish) *Event {
	event := &Event{
		Index: e.index, At: e.at, Type: EventPublished, Repo: next.ID, Name: next.Name,
		Generation: next.Generation, Epoch: next.Epoch,
		Changes: c.GetChanges(), ChangesTotal: c.GetChangesTotal(),
	}
	switch {
	case c.GetRestored() && c.GetRebuilt():
		event.Type = EventGenerationLost
		event.Detail = fmt.Sprintf("generation %d has no live holder: its refs were rebuilt from the logged changes", row.Generation)
	case c.GetRestored():
		event.Type = EventGenerationLost
		event.Detail = fmt.Sprintf("generation %d has no live holder: back to what generation %d had", row.Generation, c.GetBaseGeneration())
	case c.GetBaseline():
		event.Type = EventBaseline
		if t.format >= formatEvents {
			event.Detail = fmt.Sprintf("%d refs", c.GetRefs())
		}
	}
	if t.format >= formatEvents {
		event.Node = row.Owner
	}
	return event
}
