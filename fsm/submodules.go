package fsm

import (
	"fmt"
	"slices"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// What a row has in .gitmodules is claimed as what a source lists, by who owns that row: such a claim
// hangs on the one that names it, and is never there without it.

// checkUnder refuses a batch of submodules that has anything else in it, and any other that has one in it.
func checkUnder(c *command.Listing) error {
	of := c.GetSubmodules()
	for _, e := range c.GetPut() {
		above, is := source.Above(e.GetPath())
		switch {
		case of == nil && is:
			return fmt.Errorf("%q is a submodule", e.GetPath())
		case of != nil && (!is || above != of.GetOf()):
			return fmt.Errorf("%q is no submodule of %q", e.GetPath(), of.GetOf())
		case source.Depth(e.GetPath()) > source.MaxUnder:
			return fmt.Errorf("%q is deeper than %d", e.GetPath(), source.MaxUnder)
		}
	}
	if of == nil {
		return nil
	}
	for _, path := range c.GetTake() {
		if !source.IsUnder(path, of.GetOf()) {
			return fmt.Errorf("%q is no submodule of %q", path, of.GetOf())
		}
	}
	if c.GetDone() != nil {
		return fmt.Errorf("submodules are not a whole listing")
	}
	return firstError(between("name of what was read", string(of.GetRead()), 0, maxWord), between("flaw", of.GetFlaw(), 0, maxText), checkHold(of.GetHold()))
}

// maxUnder is how many submodules may hang on what is listed: an upstream names as many as it likes.
const maxUnder = 1000

// roomUnder refuses a submodule that is one too many.
func (t *tables) roomUnder(src *Source, c *command.Entry) *command.Item {
	top, is := source.Top(c.GetPath())
	if !is || t.claims.get(src.Num, c.GetPath()) != nil {
		return nil
	}
	if !t.fullUnder(src.Num, top) {
		return nil
	}
	return refuseItem(c.GetRepo().GetId(), refusal.Invalid, "%d submodules hang on %s, which is as many as may", maxUnder, top)
}

func (t *tables) fullUnder(src SourceNum, top string) bool {
	n := 0
	t.claims.of(src, source.Under(top, ""), func(c *Claim) bool {
		if !source.IsUnder(c.Path, top) {
			return false
		}
		n++
		return n < maxUnder
	})
	return n >= maxUnder
}

// FullUnder tells whether so many submodules hang on what a source lists under a path as may.
func (v *View) FullUnder(src SourceNum, top string) bool { return v.tables.fullUnder(src, top) }

// readUnder notes how the submodules of a claim were read.
func (t *tables) readUnder(e entry, src *Source, c *command.Submodules) {
	next := t.claims.get(src.Num, c.GetOf()).edit()
	next.SubmodulesRead, next.SubmodulesFlaw = string(c.GetRead()), c.GetFlaw()
	switch hold := c.GetHold(); {
	case hold == nil:
		next.Held, next.HeldAt, next.Approved = nil, fromMS(0), ""
	case string(next.Held.GetDigest()) != string(hold.GetDigest()):
		next.Held, next.HeldAt, next.Approved = hold, e.at, ""
		t.recordSource(e, EventSourceHeld, src, fmt.Sprintf("%d would go, of what hangs on %s", hold.GetLost(), c.GetOf()))
	}
	t.claims.put(next)
}

// goesOn tells whether a claim that leaves is no loss: its source has another of the same row, or, of what
// names it, which is only called otherwise; or it was moved to another account of its forge, which is followed too.
func (t *tables) goesOn(claim *Claim, leaving map[string]bool) bool {
	other := func(c *Claim, is func(*Claim) bool) bool {
		return slices.ContainsFunc(t.claims.on(c.Repo), func(o *Claim) bool { return o.Source == c.Source && !leaving[o.Path] && is(o) })
	}
	if other(claim, func(*Claim) bool { return true }) || t.movedTo(t.sources.byNum(claim.Source), claim) != nil {
		return true
	}
	path, is := source.Top(claim.Path)
	top := t.claims.get(claim.Source, path)
	return is && top != nil && leaving[path] && other(top, func(o *Claim) bool { return o.Submodules })
}

// below are the claims that hang on those that leave, and are not among them: the deepest first, and as many
// as go with one entry. Of which there are more, those stay, and later is how many more there are.
func (t *tables) below(src SourceNum, gone []*Claim, leaving map[string]bool) (below []*Claim, stay map[string]bool, later int) {
	stay = map[string]bool{}
	for _, claim := range gone {
		var list []*Claim
		t.claims.of(src, source.Under(claim.Path, ""), func(c *Claim) bool {
			if !source.IsUnder(c.Path, claim.Path) {
				return false
			}
			if !leaving[c.Path] {
				list = append(list, c)
			}
			return true
		})
		for i, c := range slices.Backward(list) {
			if len(below) == MaxItems {
				stay[claim.Path] = true
				later += i + 1
				break
			}
			leaving[c.Path] = true
			below = append(below, c)
		}
		for path, is := source.Above(claim.Path); stay[claim.Path] && is; path, is = source.Above(path) {
			if leaving[path] {
				stay[path] = true // what hangs on it does
			}
		}
	}
	return below, stay, later
}
