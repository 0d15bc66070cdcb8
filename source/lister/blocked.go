package lister

import (
	"slices"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// block is why an entry was refused that may be taken up later: other rows have its name, or its
// addresses.
type block struct {
	name string
	keys []string
	rows map[string]bool // ids of those rows
}

// mostBlocks is how many of them are watched of a source.
const mostBlocks = 1000

func blockOf(view *fsm.View, r *command.NewRepo) block {
	b := block{name: r.GetName(), keys: r.GetUrlKeys()}
	b.rows = b.those(view)
	return b
}

// those are the ids of rows that have the name or one of the addresses.
func (b *block) those(view *fsm.View) map[string]bool {
	ids := map[string]bool{}
	if row := view.RepoByName(b.name); row != nil && row.Sourced.RetiredAt().IsZero() {
		ids[row.ID] = true
	}
	for _, key := range b.keys {
		if row := view.RepoByURLKey(key); row != nil {
			ids[row.ID] = true
		}
	}
	return ids
}

// freed tells whether one of those rows stands in the way no more.
func (b *block) freed(view *fsm.View) bool {
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

// freed tells whether one of them is.
func freed(list []block, view *fsm.View) bool {
	return slices.ContainsFunc(list, func(b block) bool { return b.freed(view) })
}

// tryFor is what to try where an entry of a source is refused.
func tryFor(src *fsm.Source, why *refusal.Error) string {
	if src.IsForge() && (why.Code == refusal.ConflictName || why.Code == refusal.ConflictURL) {
		return "give the source another --template, or the other mirror another name"
	}
	return tryInFile(why)
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
