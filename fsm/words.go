package fsm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// A person's words are for the first check that succeeds after them. The owner says with
// what it publishes, or else with its report, up to which place in the log it had heard
// them, and with that they are gone: whoever owns the repo next does not take them for new.

// Approval is a person's word on a hold.
type Approval struct {
	At       time.Time
	Index    uint64 // in the log
	Observed Digest
	Losses   Digest
	Count    uint32
	First    []*command.Change
	Unpinned []string // in format 4 alone
}

// Release is a person's word on a ref that was pinned: it may go to what upstream had
// there when the person looked.
type Release struct {
	Ref      string
	OID      string  // where it was pinned
	Upstream *string // empty: nothing; nil: that was not known, and only what is no loss is followed
	At       time.Time
	Index    uint64 // in the log
}

// Word is the place in the log of the newest word that was not heard yet, 0 for none.
func (r *Repo) Word() uint64 {
	newest := uint64(0)
	if r.Approved != nil {
		newest = r.Approved.Index
	}
	for _, rel := range r.Released {
		newest = max(newest, rel.Index)
	}
	return max(newest, r.cameAt)
}

// describe says what is approved, and what it takes the place of.
func (a *Approval) describe(before *Approval) string {
	said := fmt.Sprintf("%d losses", a.Count)
	if before != nil && before.Losses != a.Losses {
		said += fmt.Sprintf(" (in place of %d others)", before.Count)
	}
	return said
}

// release makes a pin one that is none any more. The receiver must come from edit.
func (r *Repo) release(e entry, c *command.Release) *command.Outcome {
	i := slices.IndexFunc(r.Pins, func(p Pin) bool { return p.Ref == c.GetRef() })
	if i < 0 {
		return refuse(refusal.NotFound, "%s of %s is not pinned", c.GetRef(), r.Name)
	}
	list := without(r.Released, c.GetRef())
	if len(list) >= maxPins {
		return refuse(refusal.Invalid, "%d released refs of %s wait for upstream, and there can be no more", len(list), r.Name)
	}
	list = append(list, Release{Ref: c.GetRef(), OID: r.Pins[i].OID, Upstream: c.Upstream, At: e.at, Index: e.index})
	slices.SortFunc(list, func(a, b Release) int { return strings.Compare(a.Ref, b.Ref) })
	r.Released = list
	if r.Pins = slices.Delete(slices.Clone(r.Pins), i, i+1); len(r.Pins) == 0 {
		r.Pins = nil
	}
	return nil
}

// without is a list of its own.
func without(released []Release, ref string) []Release {
	list := slices.DeleteFunc(slices.Clone(released), func(rel Release) bool { return rel.Ref == ref })
	if len(list) == 0 {
		return nil
	}
	return list
}

// Answered tells whether a word of the row is none any more after a check that had heard
// the words up to that place in the log, and left the repo held or not. What was released
// waits while it is held: it is let in with the rest. Another address is a word, too.
func (r *Repo) Answered(heard uint64, held bool) bool {
	return r.proved(heard, held) || r.answered(heard, held)
}

func (r *Repo) answered(heard uint64, held bool) bool {
	if r.Approved != nil && r.Approved.Index <= heard {
		return true
	}
	return !held && slices.ContainsFunc(r.Released, func(rel Release) bool { return rel.Index <= heard })
}

// hear forgets the words that are answered, and says which they were. The receiver must
// come from edit, and have its new hold.
func (r *Repo) hear(heard uint64) string {
	if r.proved(heard, r.Hold != nil) {
		r.came, r.cameAt = "", 0
	}
	if !r.answered(heard, r.Hold != nil) {
		return ""
	}
	var was []string
	if a := r.Approved; a != nil && a.Index <= heard {
		was = append(was, fmt.Sprintf("%d losses", a.Count))
		r.Approved = nil
	}
	if r.Hold != nil {
		return was[0] + ": upstream takes away something else by now"
	}
	var waiting []Release
	for _, rel := range r.Released {
		if rel.Index > heard {
			waiting = append(waiting, rel)
		} else {
			was = append(was, rel.Ref)
		}
	}
	r.Released = waiting
	return clip(strings.Join(was, ", ") + ": nothing was left to follow")
}

// approveUnheard is what format 4 makes of an approval: it stands until the next publish.
// Owners of this release follow in what is held, and in no ref that was pinned; leaders of
// it let none in. Logs have some, and members of the release before may add to them until
// all are upgraded.
func (s *State) approveUnheard(e entry, row *Repo, c *command.Approve, seen bool) *command.Outcome {
	next := row.edit()
	next.Approved = &Approval{At: e.at, Unpinned: slices.Clone(c.GetUnpin())}
	if h := row.Hold; seen {
		next.Approved.Observed, next.Approved.Losses, next.Approved.Count, next.Approved.First = h.Observed, h.Losses, h.Lost, h.First
	}
	for _, ref := range c.GetUnpin() {
		if !slices.ContainsFunc(row.Pins, func(p Pin) bool { return p.Ref == ref }) {
			return refuse(refusal.NotFound, "%s of %s is not pinned", ref, row.Name)
		}
	}
	next.Pins = slices.DeleteFunc(slices.Clone(row.Pins), func(p Pin) bool { return slices.Contains(c.GetUnpin(), p.Ref) })
	if len(next.Pins) == 0 {
		next.Pins = nil
	}
	s.tables.store(e, next)
	s.tables.record(e, EventApproved, next, fmt.Sprintf("%d losses, %d pinned refs released", next.Approved.Count, len(c.GetUnpin())))
	return done()
}

// forgetUnheard drops the approvals of format 4, which nobody can be said to have heard.
func (t *tables) forgetUnheard(e entry) {
	var rows []*Repo
	t.byID.Scan(func(row *Repo) bool {
		if row.Approved != nil {
			rows = append(rows, row)
		}
		return true
	})
	for _, row := range rows {
		next := row.edit()
		next.Approved = nil
		t.store(e, next)
		t.record(e, EventApprovalUnused, next, "it was of an earlier release: approve it anew")
	}
}
