package fsm

import (
	"fmt"

	"gitmirror/fsm/command"
)

// publish makes a prepared ref table the repo's. Epoch and generation fence
// off an owner that has been replaced without knowing it; the candidate makes
// a retry harmless however late it comes.
func (s *State) publish(e entry, c *command.Publish) *command.Outcome {
	t := &s.tables
	if err := checkPublish(c); err != nil {
		return refuse(CodeInvalid, "%v", err)
	}
	row := t.liveRepo(c.GetRepo())
	if row == nil {
		return refuse(CodeNotFound, "no repo %q", c.GetRepo())
	}
	if row.Candidate == c.GetCandidate() && row.Generation == c.GetGeneration() {
		return done()
	}
	if refused := s.fence(row, c); refused != nil {
		return refused
	}
	next := published(e, row, c)
	t.replace(e, next)
	t.events.add(publishEvent(e, row, next, c))
	if row.Error != nil || row.Hold != nil {
		t.record(e, EventRecovered, next, "")
	}
	return done()
}

// fence refuses whoever is not the owner of the row as it is now.
func (s *State) fence(row *Repo, c *command.Publish) *command.Outcome {
	node := s.tables.nodes.byID[c.GetNode()]
	if node == nil || row.Owner != node.Num {
		return refuse(CodeNotOwner, "node %s does not own %s", c.GetNode(), row.Name)
	}
	if row.Epoch != c.GetEpoch() {
		return refuse(CodeStaleEpoch, "%s is in epoch %d, not %d", row.Name, row.Epoch, c.GetEpoch())
	}
	if row.Generation != c.GetFromGeneration() || c.GetGeneration() != c.GetFromGeneration()+1 {
		return refuse(CodeStaleGeneration, "%s is at generation %d: %d cannot follow from %d",
			row.Name, row.Generation, c.GetGeneration(), c.GetFromGeneration())
	}
	return nil
}

// published is the row after the publish.
func published(e entry, row *Repo, c *command.Publish) *Repo {
	next := row.edit()
	next.Generation = c.GetGeneration()
	next.Digest = Digest(c.GetDigest())
	next.RefsDigest = Digest(c.GetRefsDigest())
	next.Refs = c.GetRefs()
	next.Head = c.GetHead()
	next.Candidate = c.GetCandidate()
	next.ChangedAt = e.at
	next.Error, next.Hold = nil, nil
	next.putCopy(Copy{Node: row.Owner, State: CopyReady, Generation: next.Generation})
	return next
}

func publishEvent(e entry, row, next *Repo, c *command.Publish) *Event {
	event := &Event{
		Index: e.index, At: e.at, Type: EventPublished, Repo: next.ID, Name: next.Name,
		Generation: next.Generation, Epoch: next.Epoch,
		Changes: c.GetChanges(), ChangesTotal: c.GetChangesTotal(),
	}
	switch {
	case c.GetRestored():
		event.Type = EventGenerationLost
		had, _ := row.Copy(row.Owner)
		event.Detail = fmt.Sprintf("generation %d is lost: back to what generation %d had", row.Generation, had.Generation)
	case c.GetBaseline():
		event.Type = EventBaseline
	}
	return event
}
