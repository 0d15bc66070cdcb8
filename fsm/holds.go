package fsm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/internal/reflimit"
	"gitmirror/internal/refusal"
)

// Hold is why a repo shall not be brought up to date without a person's word.
type Hold struct {
	Reason   string
	Since    time.Time
	Observed Digest // what upstream showed
	// Since formatHolds:
	Lost    uint32            // settled refs of which upstream takes something away
	Settled uint32            // of how many
	First   []*command.Change // of those that are lost, not to be written to
	Losses  Digest            // of them all
}

// Pin is a ref that stays where a person has set it.
type Pin struct{ Ref, OID string }

func (h *Hold) equal(other *Hold) bool {
	return other != nil && h.Reason == other.Reason && h.Since.Equal(other.Since) && h.Observed == other.Observed &&
		h.Lost == other.Lost && h.Settled == other.Settled && h.Losses == other.Losses
}

// approve takes down what the owner may follow. Whoever saw another hold than the one
// that is there now is refused.
func (s *State) approve(e entry, c *command.Approve) *command.Outcome {
	t := &s.tables
	if err := checkApprove(c); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	row := t.liveRepo(c.GetRepo())
	if row == nil {
		return refuse(refusal.NotFound, "no repo %q", c.GetRepo())
	}
	seen := len(c.GetLosses())+len(c.GetObserved()) > 0
	named := len(c.GetRelease()) + len(c.GetUnpin())
	switch {
	case !seen && named == 0 && (row.Hold != nil || len(row.Pins) > 0):
		return refuse(refusal.Invalid, "name what was seen of %s: the losses of its hold, or its pinned refs", row.Name)
	case !seen && named == 0:
		return refuse(refusal.NotHeld, "%s is not held, and has no pinned refs: there is nothing to approve", row.Name)
	case seen && row.Hold == nil:
		return refuse(refusal.NotHeld, "%s is not held any more", row.Name)
	case seen && !row.Hold.seenAs(c):
		return refuse(refusal.StaleHold, "what upstream takes away from %s has changed since it was shown: look again", row.Name)
	}
	if t.format < formatWords {
		return s.approveUnheard(e, row, c, seen)
	}
	next := row.edit()
	var said []string
	if h := row.Hold; seen {
		next.Approved = &Approval{At: e.at, Index: e.index, Observed: h.Observed, Losses: h.Losses, Count: h.Lost, First: h.First}
		said = append(said, next.Approved.describe(row.Approved))
	}
	for _, rel := range c.GetRelease() {
		if refused := next.release(e, rel); refused != nil {
			return refused
		}
	}
	if n := len(c.GetRelease()); n > 0 {
		said = append(said, fmt.Sprintf("%d pinned refs released", n))
	}
	t.store(e, next)
	t.record(e, EventApproved, next, strings.Join(said, ", "))
	return done()
}

// seenAs tells whether the hold is the one that c is about. Losses name what is lost;
// where nothing is known of it, the picture has to be the same.
func (h *Hold) seenAs(c *command.Approve) bool {
	var losses, observed Digest
	copy(losses[:], c.GetLosses())
	copy(observed[:], c.GetObserved())
	return h.Losses == losses && (!losses.IsZero() || h.Observed == observed)
}

// pin takes down that a ref is to stay at an object.
func (s *State) pin(e entry, c *command.Pin) *command.Outcome {
	t := &s.tables
	if err := checkPin(c); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	row := t.liveRepo(c.GetRepo())
	if row == nil {
		return refuse(refusal.NotFound, "no repo %q", c.GetRepo())
	}
	pin := Pin{c.GetRef(), c.GetOid()}
	i, found := slices.BinarySearchFunc(row.Pins, pin.Ref, func(p Pin, ref string) int { return strings.Compare(p.Ref, ref) })
	switch {
	case found && row.Pins[i] == pin:
		return done()
	case !found && len(row.Pins) >= maxPins:
		return refuse(refusal.Invalid, "%s has %d pinned refs, and can have no more", row.Name, len(row.Pins))
	}
	if other := inTheWay(row.Pins, pin.Ref); other != "" {
		return refuse(refusal.Invalid, "%s is pinned, and cannot be beside %s", other, pin.Ref)
	}
	next := row.edit()
	next.Pins = slices.Clone(row.Pins)
	if found {
		next.Pins[i] = pin
	} else {
		next.Pins = slices.Insert(next.Pins, i, pin)
	}
	next.Released = without(row.Released, pin.Ref) // this word is the later one
	t.store(e, next)
	t.record(e, EventPinned, next, pin.Ref+" at "+pin.OID)
	return done()
}

// privateRefs are refs of the mirror's own, which clients are not shown.
const privateRefs = "refs/gitmirror/"

// inTheWay names a pinned ref that is a directory of ref, or the other way round.
func inTheWay(pins []Pin, ref string) string {
	for _, p := range pins {
		if strings.HasPrefix(p.Ref, ref+"/") || strings.HasPrefix(ref, p.Ref+"/") {
			return p.Ref
		}
	}
	return ""
}

func checkApprove(c *command.Approve) error {
	if err := firstError(digestSized("losses", c.GetLosses()), digestSized("observed digest", c.GetObserved())); err != nil {
		return err
	}
	if len(c.GetRelease()) > maxPins {
		return fmt.Errorf("%d refs, more than %d", len(c.GetRelease()), maxPins)
	}
	for _, rel := range c.GetRelease() {
		if u := rel.GetUpstream(); u != "" && !isOID(u) {
			return fmt.Errorf("upstream's object id %.60q of %.200q is not 40 lower-case hex digits", u, rel.GetRef())
		}
	}
	return between("repo", c.GetRepo(), 1, maxID)
}

func isOID(s string) bool { return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" }

func checkPin(c *command.Pin) error {
	if !isOID(c.GetOid()) {
		return fmt.Errorf("object id %q is not 40 lower-case hex digits", c.GetOid())
	}
	if !strings.HasPrefix(c.GetRef(), "refs/") || strings.HasPrefix(c.GetRef(), privateRefs) {
		return fmt.Errorf("ref %q does not begin with refs/, or is none of upstream's", c.GetRef())
	}
	return firstError(between("repo", c.GetRepo(), 1, maxID), between("ref", c.GetRef(), 1, reflimit.Name))
}

func digestSized(what string, d []byte) error {
	if n := len(d); n != 0 && n != len(Digest{}) {
		return fmt.Errorf("%s of %d bytes, want %d", what, n, len(Digest{}))
	}
	return nil
}
