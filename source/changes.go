package source

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Claim is an entry as it was taken up, in the table.
type Claim struct {
	Path string
	File string
	Keys []string
	Hash Hash
	// Elsewhere tells that another source wants the same, which was moved to what that one lists.
	Elsewhere bool
	// Follows tells that what is mirrored for it follows what another source lists of it: it is to be taken up again, though it is as
	// it was.
	Follows bool
}

// Changes is what a listing makes of the claims that there are.
type Changes struct {
	Added, Changed []int    // of the listing's entries
	Gone           []string // paths of claims, that no entry has any more
	Kept           int      // claims that stay though no entry has them, since there are flaws
	// Lost are the paths of what ends: of Gone but for where an upstream only got another path, or is
	// elsewhere, and what hangs on these. It is what a person is asked about.
	Lost []string
	// From has, for entries that are there under another path, that of Gone.
	From map[int]string
}

// Empty tells whether there is nothing to be done.
func (c *Changes) Empty() bool { return len(c.Added)+len(c.Changed)+len(c.Gone) == 0 }

// Rows tells what is mirrored for claims.
type Rows interface {
	// Serves is the key of the url that what is served for a claim of that path came from, where that is not the one it
	// has, and empty else.
	Serves(path string) string
	// Other tells whether what has that key as its first is mirrored, and not for a claim of that path.
	Other(key, path string) bool
}

type own struct{}

func (own) Serves(string) string      { return "" }
func (own) Other(string, string) bool { return false }

// Compare says what has to be done so that the claims are what a listing has. Both are ordered by
// path. Submodules, which no listing has, stay and go with what names them, and go where that does not ask
// for them any more. rows are asked of what goes; nil: each is mirrored for itself, from its own url.
func Compare(l *Listing, claims iter.Seq[Claim], rows Rows) Changes {
	if rows == nil {
		rows = own{}
	}
	var c Changes
	var gone, hanging []Claim
	below := map[string][]string{} // what hangs on what has no entry, by its path
	moved := map[int]bool{}        // of Changed, those that have another first url
	i := 0
	for claim := range claims {
		if top, is := Top(claim.Path); is {
			switch e := l.Find(top); {
			case e == nil:
				below[top] = append(below[top], claim.Path)
			case !e.Asks.Submodules:
				hanging = append(hanging, claim)
			}
			continue
		}
		for ; i < len(l.Entries) && l.Entries[i].Path < claim.Path; i++ {
			c.Added = append(c.Added, i)
		}
		switch {
		case i < len(l.Entries) && l.Entries[i].Path == claim.Path:
			switch e := &l.Entries[i]; {
			case e.Hash() == claim.Hash && !claim.Follows:
			case e.File != claim.File && l.doubtsOf(claim.File): // who has the path may still be there
				c.Kept++
			default:
				if c.Changed = append(c.Changed, i); e.Keys[0] != claim.Keys[0] {
					moved[i] = true
				}
			}
			i++
		case l.Doubts(claim.File), l.doubtsPath(claim.Path):
			c.Kept++
		default:
			gone = append(gone, claim)
		}
	}
	for ; i < len(l.Entries); i++ {
		c.Added = append(c.Added, i)
	}
	elsewhere := c.renamed(l, gone, moved, rows)
	aside := l.aside()
	for _, claim := range gone {
		if !elsewhere[claim.Path] && (aside[claim.Keys[0]] || len(aside) > 0 && aside[rows.Serves(claim.Path)]) {
			c.Kept++
			continue
		}
		c.Gone = append(c.Gone, claim.Path)
		if !elsewhere[claim.Path] && !claim.Elsewhere {
			c.Lost = append(append(c.Lost, claim.Path), below[claim.Path]...)
		}
	}
	if len(hanging) > 0 {
		for _, claim := range hanging {
			c.Gone = append(c.Gone, claim.Path)
			c.Lost = append(c.Lost, claim.Path)
		}
		slices.Sort(c.Gone)
		slices.Sort(c.Lost)
	}
	return c
}

// aside are all urls, by their keys, of what is set aside.
func (l *Listing) aside() map[string]bool {
	keys := map[string]bool{}
	for i := range l.Aside {
		for _, key := range l.Aside[i].Keys {
			keys[key] = true
		}
	}
	return keys
}

// renamed notes which entries are what is gone, under another path: what is new and has the url that what is served came
// from, those that have its first url, or else what is new and has a further one, or has another before its first. It returns the paths of those, and of what is there under a path
// that there was before, as is the rest of a renamed folder whose listing was cut off. moved are changes that have another
// first url: what a forge's are is said by their numbers.
func (c *Changes) renamed(l *Listing, gone []Claim, moved map[int]bool, rows Rows) (elsewhere map[string]bool) {
	if elsewhere = map[string]bool{}; len(gone) == 0 {
		return elsewhere
	}
	if !l.Numbered {
		served, first, further := map[string]string{}, map[string]string{}, map[string]string{}
		for _, claim := range slices.Backward(gone) {
			if key := rows.Serves(claim.Path); key != "" {
				served[key] = claim.Path
			}
			first[claim.Keys[0]] = claim.Path
			for _, key := range claim.Keys[1:] {
				further[key] = claim.Path
			}
		}
		c.From = map[int]string{}
		from := func(of []int, paths map[string]string, keys func(e *Entry) []string, others bool) {
			taken := maps.Clone(elsewhere)
			for _, i := range of {
				e := &l.Entries[i]
				for _, key := range keys(e) {
					path, is := paths[key]
					if is && c.From[i] == "" && !taken[path] && (others || !rows.Other(e.Keys[0], path)) {
						c.From[i], elsewhere[path] = path, true
					}
				}
			}
		}
		its := func(e *Entry) []string { return e.Keys[:1] }
		rest := func(e *Entry) []string { return e.Keys[1:] }
		from(c.Added, served, its, false) // where what it asks for has no row of its own
		from(slices.Concat(c.Added, c.Changed), first, its, true)
		from(c.Added, further, its, false)
		from(c.Added, first, rest, false)
		from(c.Added, served, rest, false)
	}
	listed := map[string]bool{}
	for i := range l.Entries {
		if !l.Numbered || !moved[i] {
			listed[l.Entries[i].Keys[0]] = true
		}
	}
	for _, claim := range gone {
		if listed[claim.Keys[0]] {
			elsewhere[claim.Path] = true
		}
	}
	return elsewhere
}

// Find is the entry of a path, nil where there is none.
func (l *Listing) Find(path string) *Entry {
	i, there := slices.BinarySearchFunc(l.Entries, path, func(e Entry, path string) int { return strings.Compare(e.Path, path) })
	if !there {
		return nil
	}
	return &l.Entries[i]
}

// Inside tells whether a path is that of a folder, or below it. "" has all.
func Inside(path, folder string) bool {
	return folder == "" || path == folder || strings.HasPrefix(path, folder) && path[len(folder)] == '/'
}

// Sorted tells whether claims come by path, as Compare needs them: for tests of who hands them over.
func Sorted(claims []Claim) bool {
	return slices.IsSortedFunc(claims, func(a, b Claim) int { return strings.Compare(a.Path, b.Path) })
}
