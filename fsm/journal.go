package fsm

import (
	"cmp"
	"slices"
)

// journalKept is how many changes of rows are remembered. Who is further behind starts
// over: that is a pass over what it looks after, and so costs less than an index of all
// rows by version, which every row would pay for.
const journalKept = 100_000

// journal remembers which rows have changed or gone of late, by the index of the entry.
// It is memory only: after a restore, everybody starts over.
type journal struct {
	since   uint64   // what came after it is known
	changes []change // ascending; never written to but replaced
}

type change struct {
	index uint64
	id    string
}

func (j *journal) note(index uint64, id string) {
	if len(j.changes) == journalKept {
		j.since = j.changes[0].index
		j.changes = j.changes[1:] // views share the old ones, which stay as they are
	}
	j.changes = append(j.changes, change{index, id})
}

// ChangedSince returns the ids of the rows that were added, changed or dropped by entries
// after index, each once. It returns false if that is not known any more, or never was:
// whoever asked has to start over.
func (v *View) ChangedSince(index uint64) (ids []string, ok bool) {
	j := &v.tables.moved
	if index < j.since || index > v.tables.index {
		return nil, false
	}
	first, _ := slices.BinarySearchFunc(j.changes, index+1, func(c change, i uint64) int { return cmp.Compare(c.index, i) })
	seen := make(map[string]bool, min(len(j.changes)-first, 1000))
	for _, c := range j.changes[first:] {
		if !seen[c.id] {
			seen[c.id] = true
			ids = append(ids, c.id)
		}
	}
	return ids, true
}
