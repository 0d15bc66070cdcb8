package lister

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// block is why an entry was refused that may be taken up later: what stands in its way.
type block struct {
	those func(view *fsm.View) map[string]bool // what would stand in its way, as the table is
	rows  map[string]bool                      // those, as it was refused
	until time.Time                            // then it is tried in any case; zero for never
}

// mostBlocks is how many of them are watched of a source.
const mostBlocks = 1000

// blockOf is why an entry was refused for a name or an address: which rows have it, and what they serve, where that is another address's.
func blockOf(view *fsm.View, r *command.NewRepo) block {
	name, keys := r.GetName(), r.GetUrlKeys()
	those := func(view *fsm.View) map[string]bool {
		ids := map[string]bool{}
		if row := view.RepoByName(name); row != nil && row.Sourced.RetiredAt().IsZero() {
			ids[row.ID] = true
		}
		for _, key := range keys {
			if row := view.RepoByURLKey(key); row != nil && row.Sourced.RetiredAt().IsZero() { // one that is retired gives it up
				ids[row.ID+" "+row.Estranged()] = true
			}
		}
		return ids
	}
	return block{those: those, rows: those(view)}
}

// blockOfRoom is why an entry was refused for which there is no room: what so many submodules hang on as may, or its rows with all
// their names. It is false where that is not why.
func blockOfRoom(view *fsm.View, src *fsm.Source, e *command.Entry) (b block, is bool) {
	num, key, path, from := src.Num, e.GetRepo().GetUrlKeys()[0], e.GetPath(), e.GetFrom()
	those := func(view *fsm.View) map[string]bool {
		if top, below := source.Top(path); below && view.FullUnder(num, top) {
			return map[string]bool{top: true}
		}
		ids := map[string]bool{}
		note := func(row *fsm.Repo) {
			if row != nil {
				ids[fmt.Sprint(row.ID, " ", row.Name, row.Aliases)] = true
			}
		}
		note(view.RepoByURLKey(key))
		for _, path := range []string{path, from} {
			if claim := view.ClaimOf(num, path); claim != nil && path != "" {
				note(view.Repo(claim.Repo))
			}
		}
		return ids
	}
	b = block{those: those, rows: those(view), until: time.Now().Add(lastPause)}
	return b, len(b.rows) > 0
}

// same tells whether another is of the same that there is no room at: of many, one is watched.
func (b *block) same(o block) bool { return !b.until.IsZero() && maps.Equal(b.rows, o.rows) }

// freed tells whether something stands in the way no more, or may not by now.
func (b *block) freed(view *fsm.View) bool {
	if !b.until.IsZero() && !time.Now().Before(b.until) {
		return true
	}
	now := b.those(view)
	for id := range b.rows {
		if !now[id] {
			return true
		}
	}
	return false
}

// unblocked tells whether something that was refused of a source may do well now: a row that was in
// its way is, or this process does not know what was.
func (l *Lister) unblocked(view *fsm.View, src *fsm.Source) bool {
	if src.Listed == nil || src.Listed.GetFlawsTotal() == 0 || src.Paused || src.Removing {
		return false
	}
	list, known := l.blocked[src.ID]
	return !known || freed(list, view)
}

// retry is how long until one of them is tried in any case; 0 where none is.
func retry(list []block) (next time.Duration) {
	for i := range list {
		if !list[i].until.IsZero() {
			next = sooner(next, max(time.Until(list[i].until), time.Millisecond))
		}
	}
	return next
}

// freed tells whether one of them is.
func freed(list []block, view *fsm.View) bool {
	return slices.ContainsFunc(list, func(b block) bool { return b.freed(view) })
}

// refused is an entry that the table did not take up.
type refused struct {
	entry *source.Entry
	flaw  source.Flaw
	why   *refusal.Error // nil where it was not asked
}

// flawsOf are those of what a source was refused, with what to try as the table is now.
func flawsOf(view *fsm.View, src *fsm.Source, list []refused) (flaws []source.Flaw) {
	for _, r := range list {
		if r.why != nil {
			r.flaw.Try = tryFor(view, src, r)
		}
		flaws = append(flaws, r.flaw)
	}
	return flaws
}

// tryFor is what to try where an entry of a source is refused.
func tryFor(view *fsm.View, src *fsm.Source, r refused) string {
	if r.why.Code == refusal.ConflictURL && r.why.Existing != "" {
		has, own := view.RepoByName(r.why.Existing), view.ClaimOf(src.Num, r.entry.Path)
		switch {
		case has == nil:
		case !has.Sourced.RetiredAt().IsZero():
			return fmt.Sprintf("nobody wants %[1]s any more, and it is served until %[2]s: end that now with gitmirror repo rm %[1]s", has.Name, has.Sourced.RetiredAt().Add(fsm.RetiredFor).Format(time.DateOnly))
		case own != nil && own.Repo == has.ID && len(r.entry.URLs) > 1:
			return "that is what this entry was until now, and is for others still: leave it out"
		}
	}
	if row := view.RepoByURLKey(r.entry.Keys[0]); r.why.Code == refusal.Invalid && row != nil && len(row.Aliases)+2 > fsm.MaxAliases { // a claim has two names
		if row.Sourced == nil || len(row.Sourced.Names) > 1 {
			return "take others of its names away: gitmirror repo set " + row.Name + " --alias NAMES"
		}
		return "leave out another of the entries that have its url"
	}
	switch {
	case src.IsForge() && r.why.Code == refusal.ConflictName:
		return "give the source another --template, or the other mirror another name, and then: gitmirror source sync " + src.Name
	case src.IsForge() && r.why.Code == refusal.ConflictURL:
		if has := view.RepoByName(r.why.Existing); has != nil && peoples(view, has) {
			return fmt.Sprintf("people have %[1]s follow that url: if it is of something else, gitmirror repo set %[1]s --url URL", has.Name)
		}
		return "it is taken up as soon as the other has another url"
	}
	return tryInFile(r.why)
}

// peoples tells whether people have said which upstream a row has.
func peoples(view *fsm.View, row *fsm.Repo) bool {
	return row.Sourced == nil || slices.ContainsFunc(view.Origins(row), func(o fsm.Origin) bool { return o.Setting == "upstream" && o.Source == 0 })
}

// tryInFile is what to do about a refusal where there are no commands, but a file.
func tryInFile(why *refusal.Error) string {
	switch why.Code {
	case refusal.ConflictName:
		return "rename the file, or give the entry another name"
	case refusal.ConflictURL:
		return "take that url out of one of the two"
	}
	return why.Hint
}
