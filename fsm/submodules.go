package fsm

import (
	"fmt"
	"slices"

	"gitmirror/fsm/command"
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
	return firstError(between("name of what was read", string(of.GetRead()), 0, maxWord), between("flaw", of.GetFlaw(), 0, maxText))
}

// readUnder notes how the submodules of a claim were read.
func (t *tables) readUnder(src *Source, c *command.Submodules) {
	next := *t.claims.get(src.Num, c.GetOf())
	next.SubmodulesRead, next.SubmodulesFlaw = string(c.GetRead()), c.GetFlaw()
	t.claims.put(&next)
}

// hangs tells whether a claim goes because of one above it, that goes too or does not ask for
// submodules any more.
func (t *tables) hangs(claim *Claim, leaving map[string]bool) bool {
	for path, is := source.Above(claim.Path); is; path, is = source.Above(path) {
		if above := t.claims.get(claim.Source, path); above == nil || !above.Submodules || leaving[path] {
			return true
		}
	}
	return false
}

// below are the claims that hang on those that leave, and are not among them: the deepest first, and as many
// as go with one entry. Of which there are more, those stay.
func (t *tables) below(src SourceNum, gone []*Claim, leaving map[string]bool) (below []*Claim, stay map[string]bool) {
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
		for _, c := range slices.Backward(list) {
			if len(below) == MaxItems {
				stay[claim.Path] = true
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
	return below, stay
}
