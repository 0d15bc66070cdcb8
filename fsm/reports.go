package fsm

import (
	"slices"
	"strings"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// report takes in what one node says about its copies, and about the health
// of the repos it owns. Each line stands for itself; what has been overtaken
// is answered with a code and changes nothing.
func (s *State) report(e entry, c *command.Report) *command.Outcome {
	node := s.tables.nodes.byID[c.GetNode()]
	if node == nil {
		return refuse(refusal.NotFound, "no node %q", c.GetNode())
	}
	if n := len(c.GetCopies()) + len(c.GetHealth()); n > MaxItems {
		return refuse(refusal.Invalid, "%d rows, more than %d", n, MaxItems)
	}
	if c.GetCondition() != nil {
		if err := checkCondition(c.GetCondition()); err != nil {
			return refuse(refusal.Invalid, "%v", err)
		}
		s.reportCondition(e, node, c.GetCondition())
	}
	copies := batch(c.GetCopies(), func(r *command.CopyReport) *command.Item { return s.reportCopy(e, node, r) })
	health := batch(c.GetHealth(), func(r *command.HealthReport) *command.Item { return s.reportHealth(e, node, r) })
	return &command.Outcome{Items: append(copies.Items, health.Items...)}
}

// reportCondition notes what keeps a node from its work.
func (s *State) reportCondition(e entry, node *Node, c *command.NodeCondition) {
	sick := ""
	if c.GetSick() != "" {
		sick = "sick"
	}
	next := *node
	next.Disk = condition(e, node.Disk, c.GetDisk(), c.GetDiskMessage())
	next.Sick = condition(e, node.Sick, sick, c.GetSick())
	if next.Disk == node.Disk && next.Sick == node.Sick {
		return
	}
	s.tables.nodes = s.tables.nodes.with(&next)
	for _, change := range []struct {
		what     string
		old, now *Failure
	}{{"disk", node.Disk, next.Disk}, {"copies", node.Sick, next.Sick}} {
		switch {
		case change.old == nil && change.now != nil:
			s.tables.recordNode(e, EventNodeImpaired, &next, change.what+" "+change.now.Class+": "+change.now.Message)
		case change.old != nil && change.now == nil:
			s.tables.recordNode(e, EventNodeRecovered, &next, change.what)
		}
	}
}

func condition(e entry, old *Failure, class, message string) *Failure {
	next := Failure{Class: class, Message: clip(message), Since: e.at}
	if old != nil && old.Class == class {
		next.Since = old.Since
	}
	switch {
	case class == "":
		return nil
	case old != nil && next == *old:
		return old
	}
	return &next
}

func (s *State) reportCopy(e entry, node *Node, r *command.CopyReport) *command.Item {
	t, id := &s.tables, r.GetRepo()
	row := t.repo(id)
	if row == nil {
		return refuseItem(id, refusal.NotFound, "no repo %q", id)
	}
	held, holds := row.Copy(node.Num)
	if !holds {
		return refuseItem(id, refusal.NotFound, "no copy of %s on %s", row.Name, node.Name)
	}
	if r.GetGone() {
		return s.copyGone(e, row, held)
	}
	next := held
	switch {
	case r.GetState() == command.CopyState_COPY_STATE_READY:
		if r.GetGeneration() == 0 || r.GetGeneration() > row.Generation {
			return refuseItem(id, refusal.Invalid, "%s is at generation %d: %d cannot be ready", row.Name, row.Generation, r.GetGeneration())
		}
		next.State, next.Generation = CopyReady, r.GetGeneration()
		if row.Owner == node.Num {
			// The owner's own publish may have overtaken its report.
			next.Generation = max(held.Generation, next.Generation)
		}
	case r.GetState() == command.CopyState_COPY_STATE_BROKEN:
		next.State = CopyBroken
	default:
		return refuseItem(id, refusal.Invalid, "%s is nothing to report of a copy", r.GetState())
	}
	if held.State == CopyLeaving || next == held {
		return ok(id)
	}
	changed := row.edit()
	changed.putCopy(next)
	t.store(e, changed)
	t.recordCopy(e, changed, held, next)
	return ok(id)
}

// copyGone drops a copy that was told to leave. A node that lost a copy which
// should be there reports it broken: only the log decides that data may go.
func (s *State) copyGone(e entry, row *Repo, held Copy) *command.Item {
	if held.State != CopyLeaving {
		return refuseItem(row.ID, refusal.Invalid, "the copy of %s is %s, it was not told to leave", row.Name, held.State)
	}
	next := row.edit()
	next.dropCopy(held.Node)
	s.tables.store(e, next)
	return ok(row.ID)
}

func (s *State) reportHealth(e entry, node *Node, r *command.HealthReport) *command.Item {
	t, id := &s.tables, r.GetRepo()
	if err := checkHealth(r); err != nil {
		return refuseItem(id, refusal.Invalid, "%v", err)
	}
	row := t.liveRepo(id)
	switch {
	case row == nil:
		return refuseItem(id, refusal.NotFound, "no repo %q", id)
	case row.Owner != node.Num:
		return refuseItem(id, refusal.NotOwner, "node %s does not own %s", node.Name, row.Name)
	case row.Epoch != r.GetEpoch():
		return refuseItem(id, refusal.StaleEpoch, "%s is in epoch %d, not %d", row.Name, row.Epoch, r.GetEpoch())
	}
	failure, hold, moved := t.nextFailure(e, row.Error, r), t.nextHold(e, row.Hold, r), t.nextMoved(e, row, r)
	fallback := t.nextFallback(e, row, r)
	changed := failure != row.Error || hold != row.Hold
	next := row.edit()
	next.Error, next.Hold, next.Moved, next.Fallback = failure, hold, moved, fallback
	unused := ""
	if t.format >= formatWords {
		unused = next.hear(r.GetHeard())
	} else if hold == nil && row.Hold != nil {
		next.Approved = nil
	}
	if !changed && moved == row.Moved && fallback == row.Fallback && unused == "" && next.came == row.came && next.cameAt == row.cameAt {
		return ok(id)
	}
	t.store(e, next)
	if unused != "" {
		t.record(e, EventApprovalUnused, next, unused)
	}
	if changed {
		t.recordHealth(e, row, next)
	}
	s.reviewed(e, row)
	if moved != nil && moved != row.Moved {
		t.record(e, EventRedirected, next, moved.From+" to "+moved.To)
	}
	switch {
	case fallback == row.Fallback:
	case fallback == nil:
		t.record(e, EventSwitched, next, row.URLs()[0])
	default:
		t.record(e, EventSwitched, next, fallback.URL)
	}
	return ok(id)
}

// nextFailure takes the newest message, since the cause may have changed within
// its class. Since is when the class began.
func (t *tables) nextFailure(e entry, old *Failure, r *command.HealthReport) *Failure {
	class := r.GetErrorClass()
	if class == "" {
		return nil
	}
	next := Failure{Class: class, Message: clip(r.GetMessage()), Since: e.at, Parked: r.GetParked() && t.format >= formatRhythm}
	if old != nil && old.Class == class {
		next.Since = old.Since
		if next == *old {
			return old
		}
	}
	return &next
}

func (t *tables) nextHold(e entry, old *Hold, r *command.HealthReport) *Hold {
	if r.GetHoldReason() == "" {
		return nil
	}
	hold := &Hold{Reason: r.GetHoldReason(), Since: e.at, Observed: digestFrom(r.GetHoldDigest())}
	if t.format >= formatHolds {
		hold.Lost, hold.Settled, hold.First = r.GetHoldLost(), r.GetHoldSettled(), r.GetHoldFirst()
		hold.Losses = digestFrom(r.GetHoldLosses())
	}
	if old != nil {
		// One hold may become another while it lasts: it is as old as the first.
		hold.Since = old.Since
		if hold.equal(old) {
			return old
		}
	}
	return hold
}

// nextMoved is what an upstream says of where it is. What is said of an address that is not
// the row's any more is no news.
func (t *tables) nextMoved(e entry, row *Repo, r *command.HealthReport) *Moved {
	from, to := r.GetMovedFrom(), r.GetMovedTo()
	switch was := row.Moved; {
	case t.format < formatMoved || to == "" || !slices.Contains(row.URLs(), from):
		return nil
	case was != nil && was.From == from && was.To == to:
		return was
	}
	return &Moved{From: from, To: to, Since: e.at}
}

// nextFallback is the url that is asked while the first is not.
func (t *tables) nextFallback(e entry, row *Repo, r *command.HealthReport) *Fallback {
	url := r.GetFallback()
	switch was := row.Fallback; {
	case t.format < formatFallback || url == "" || !slices.Contains(row.URLs()[1:], url):
		return nil
	case was != nil && was.URL == url:
		return was
	}
	return &Fallback{URL: url, Since: e.at}
}

// recordCopy says that a copy broke, or is ready again; its node tells.
func (t *tables) recordCopy(e entry, row *Repo, old, now Copy) {
	kind := EventBroken
	switch {
	case t.format < formatEvents || old.State == now.State:
		return
	case old.State == CopyBroken && now.State == CopyReady:
		kind = EventHealed
	case now.State != CopyBroken:
		return
	}
	t.recordBy(e, now.Node, kind, row, "copy on "+t.nodeName(now.Node))
}

func (t *tables) recordHealth(e entry, row, next *Repo) {
	worse := false
	if f := next.Error; f != nil && (row.Error == nil || row.Error.Class != f.Class) {
		t.record(e, EventFailing, next, strings.TrimSuffix(f.Class+": "+f.Message, ": "))
		worse = true
	}
	if f := next.Error; f != nil && f.Parked && (row.Error == nil || !row.Error.Parked) {
		t.record(e, EventParked, next, strings.TrimSuffix(f.Class+": "+f.Message, ": "))
	}
	if h := next.Hold; h != nil && (row.Hold == nil || row.Hold.Reason != h.Reason) {
		t.record(e, EventHeld, next, h.Reason)
		worse = true
	}
	if t.format < formatEvents {
		if next.Error == nil && next.Hold == nil {
			t.record(e, EventRecovered, next, "")
		}
		return
	}
	if ended := (row.Error != nil && next.Error == nil) || (row.Hold != nil && next.Hold == nil); ended && !worse {
		t.record(e, EventRecovered, next, t.recovery(e, row, next))
	}
}

// recovery says what has ended for a repo, and what goes on.
func (t *tables) recovery(e entry, row, next *Repo) string {
	if t.format < formatEvents {
		return ""
	}
	var said []string
	lasted := func(since time.Time) string { return " for " + max(e.at.Sub(since), 0).Round(time.Second).String() }
	switch {
	case row.Error != nil && next.Error == nil:
		said = append(said, "was failing"+lasted(row.Error.Since)+": "+row.Error.Class)
	case next.Error != nil:
		said = append(said, "still failing: "+next.Error.Class)
	}
	switch {
	case row.Hold != nil && next.Hold == nil:
		said = append(said, "was held"+lasted(row.Hold.Since)+": "+row.Hold.Reason)
	case next.Hold != nil:
		said = append(said, "still held: "+next.Hold.Reason)
	}
	return strings.Join(said, "; ")
}

// clip cuts a message to the length that the table keeps, between characters.
func clip(message string) string {
	if len(message) <= maxText {
		return message
	}
	return strings.ToValidUTF8(message[:maxText], "")
}
