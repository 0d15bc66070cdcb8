package lister

import (
	"gitmirror/fsm"
	"gitmirror/source"
)

// leaving are the changes, of a listing's entries, by which a row is wanted by nobody any more: their entries have
// another upstream, which is mirrored for others already, or for the first of them. A row that only follows another
// upstream is not left, nor is one whose upstream another entry has. What a forge has renamed keeps its row, unless
// its new address is mirrored for somebody else.
func leaving(view *fsm.View, src *fsm.Source, listing *source.Listing, changes source.Changes) (list []int) {
	listed := map[string]bool{}
	for i := range listing.Entries {
		listed[listing.Entries[i].Keys[0]] = true
	}
	goes := map[string]bool{} // paths
	first := map[string]bool{}
	if !src.IsForge() { // what is new comes first
		for _, i := range changes.Added {
			first[listing.Entries[i].Keys[0]] = true
		}
	}
	for _, i := range changes.Changed {
		e := &listing.Entries[i]
		c := view.ClaimOf(src.Num, e.Path)
		if c == nil || c.Keys[0] == e.Keys[0] || listed[c.Keys[0]] {
			continue
		}
		row := view.RepoByURLKey(e.Keys[0])
		gone := view.ClaimOf(src.Num, changes.From[i])
		if row != nil && row.ID != c.Repo && row.Estranged() != "" && (gone == nil || gone.Repo != row.ID) {
			row = nil // it is given to nobody
		}
		switch {
		case row != nil && row.ID == c.Repo, row == nil && !first[e.Keys[0]]:
			first[e.Keys[0]] = true
		case src.IsForge() && (row == nil || !row.Sourced.RetiredAt().IsZero() || !wantedBeside(view, src, row.ID, nil)):
		default:
			goes[e.Path] = true
		}
	}
	for _, i := range changes.Changed {
		if path := listing.Entries[i].Path; goes[path] && !wantedBeside(view, src, view.ClaimOf(src.Num, path).Repo, goes) {
			list = append(list, i)
		}
	}
	return list
}

// wantedBeside tells whether anybody wants a row but entries of a source that go; nil: but that source.
func wantedBeside(view *fsm.View, src *fsm.Source, repo string, goes map[string]bool) bool {
	row := view.Repo(repo)
	if row == nil || row.Sourced == nil || row.Sourced.Hand {
		return true
	}
	for _, c := range view.ClaimsOn(repo) {
		if c.Source != src.Num || goes != nil && !goes[c.Path] {
			return true
		}
	}
	return false
}
