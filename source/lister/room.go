package lister

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gitmirror/fsm"
	"gitmirror/source"
)

// What is renamed, or has another upstream, takes the address, or the name, of another: here is who gets it when.

// joiningFirst puts first, of the entries of an index that have changed, those whose new address is mirrored already: what
// another of them is about to leave does not follow that elsewhere, while somebody wants it.
func joiningFirst(view *fsm.View, listing *source.Listing, changed []int) {
	joins := func(i int) int {
		if row := view.RepoByURLKey(listing.Entries[i].Keys[0]); row != nil && row.Estranged() == "" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(changed, func(a, b int) int { return cmp.Compare(joins(a), joins(b)) })
}

// stay has entries that cannot be followed yet be as they were, each with a flaw: those that would have an
// address that another of the source keeps, since that is held back until a person lets it go, cannot be followed
// itself, or has changed places with them; and new ones have the address of what cannot be followed to where it is now.
// free are what has made room.
func stay(view *fsm.View, src *fsm.Source, listing *source.Listing, changes source.Changes, free, held []string) source.Changes {
	claim := func(i int) *fsm.Claim { return view.ClaimOf(src.Num, listing.Entries[i].Path) }
	leaves, wanted := map[string]int{}, map[string]bool{} // of the changes, by path; addresses
	for _, i := range changes.Changed {
		if key := listing.Entries[i].Keys[0]; claim(i).Keys[0] != key {
			leaves[listing.Entries[i].Path], wanted[key] = i, true
		}
	}
	unknown := func(path string) bool { _, is := slices.BinarySearch(listing.UnknownPaths, path); return is }
	if len(leaves) == 0 && (len(changes.Added) == 0 || len(listing.UnknownPaths) == 0) {
		return changes
	}
	for _, i := range changes.Added {
		wanted[listing.Entries[i].Keys[0]] = true
	}
	has := map[string][]*fsm.Claim{} // by address; what is held may share one
	view.Claims(src.Num, "\x00", func(c *fsm.Claim) bool {
		if wanted[c.Keys[0]] && !c.Submodules && !slices.Contains(free, c.Path) {
			has[c.Keys[0]] = append(has[c.Keys[0]], c)
		}
		return true
	})
	const begun, goes, stays = 1, 2, 3
	fate := map[int]int{}
	var of func(i int) int
	inTheWay := func(i int) *fsm.Claim { // nil: nothing is
		for _, at := range has[listing.Entries[i].Keys[0]] {
			if before, leaving := leaves[at.Path]; !leaving || of(before) != goes {
				return at
			}
		}
		return nil
	}
	of = func(i int) int {
		if fate[i] != 0 {
			return fate[i] // begun: they change places
		}
		fate[i] = begun
		if inTheWay(i) == nil {
			fate[i] = goes
		} else {
			fate[i] = stays
		}
		return fate[i]
	}
	changes.Changed = slices.DeleteFunc(changes.Changed, func(i int) bool {
		path := listing.Entries[i].Path
		if _, moves := leaves[path]; !moves || of(i) == goes {
			return false
		}
		at := inTheWay(i)
		why, try := "which cannot be followed", "see what is said of that one"
		switch _, leaving := leaves[at.Path]; {
		case leaving:
			why, try = "which waits for another address too", "if they have changed places, give one of them a third name in the forge until it was listed so, and approve nothing of either before"
		case slices.Contains(held, at.Path):
			why, try = "which is held back", "gitmirror source approve "+src.Name
		}
		listing.Flaws = append(listing.Flaws, source.Flaw{File: listing.Entries[i].File, Try: try,
			Why: fmt.Sprintf("it was %s, and stays so here: its address is still that of what was %s, %s", claim(i).File, at.File, why)})
		changes.Kept++
		return true
	})
	changes.Added = slices.DeleteFunc(changes.Added, func(i int) bool {
		for _, at := range has[listing.Entries[i].Keys[0]] {
			why := ""
			if before, leaving := leaves[at.Path]; leaving && of(before) != goes {
				why = "which waits for another"
			} else if unknown(at.Path) {
				why = "which cannot be followed"
			}
			if why != "" {
				listing.Flaws = append(listing.Flaws, source.Flaw{File: listing.Entries[i].File, Try: "see what is said of that one",
					Why: fmt.Sprintf("it is not mirrored yet: its address is still that of what was %s, %s", at.File, why)})
				return true
			}
		}
		return false
	})
	return changes
}

// inOrder puts entries that have changed so that none takes the name or the address that another of them
// still has: who gives it away comes first.
func inOrder(view *fsm.View, src *fsm.Source, listing *source.Listing, changed []int) []int {
	holder := map[string]int{} // who has it now, by address and name
	for _, i := range changed {
		if c := view.ClaimOf(src.Num, listing.Entries[i].Path); c != nil {
			holder["url "+c.Keys[0]], holder["name "+strings.ToLower(c.Name)] = i, i
		}
	}
	var order []int
	begun := map[int]bool{}
	var visit func(i int)
	visit = func(i int) {
		if begun[i] {
			return // done, or they change places: no order is right
		}
		begun[i] = true
		e := &listing.Entries[i]
		for _, key := range []string{"url " + e.Keys[0], "name " + strings.ToLower(Name(src.Namespace, e.Name))} {
			if before, has := holder[key]; has {
				visit(before)
			}
		}
		order = append(order, i)
	}
	for _, i := range changed {
		visit(i)
	}
	return order
}

// makingRoom divides what is gone into what has an address, or a name, that is another's by now, and the rest. What
// has its address still, under another path, makes room for nobody, unless it is in another account.
func makingRoom(view *fsm.View, src *fsm.Source, listing *source.Listing, changes source.Changes) (first, rest []string) {
	wanted, listed := map[string]bool{}, map[string]bool{}
	for _, i := range changes.Changed {
		wanted[listing.Entries[i].Keys[0]] = true
	}
	for _, i := range changes.Added {
		listed[listing.Entries[i].Keys[0]] = true
	}
	for _, i := range slices.Concat(changes.Changed, changes.Added) {
		wanted["name "+strings.ToLower(Name(src.Namespace, listing.Entries[i].Name))] = true
	}
	for _, path := range changes.Gone {
		c := view.ClaimOf(src.Num, path)
		if c != nil && !c.Submodules && (!listed[c.Keys[0]] && (wanted[c.Keys[0]] || wanted["name "+strings.ToLower(c.Name)]) || listed[c.Keys[0]] && view.HasElsewhere(src, path)) {
			first = append(first, path)
		} else {
			rest = append(rest, path)
		}
	}
	return first, rest
}
