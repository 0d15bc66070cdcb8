package fsm

import (
	"cmp"

	"github.com/tidwall/btree"
)

// What nobody wants any more may have given its address to others, or may have had another by then: it is still what
// its first address had, and who asks for that is given it, rather than what upstream may not have any more.

// newLapsed has retired rows by where what they serve came from.
func newLapsed() *btree.BTreeG[*Repo] {
	return btree.NewBTreeGOptions(func(a, b *Repo) bool {
		return cmp.Or(cmp.Compare(a.Origin(), b.Origin()), cmp.Compare(a.Sourced.retiredMS, b.Sourced.retiredMS), cmp.Compare(a.ID, b.ID)) < 0
	}, unlocked)
}

// lapsed tells whether a row is retired, and not found any more by where what it serves came from.
func (r *Repo) lapsed() bool {
	return r.live() && r.retired() && r.Generation > 0 && r.Origin() != r.upstreamKeys()[0]
}

// lapsedFrom is the row that serves what an address had, of those that are not found by it any more and that nobody wants,
// the last of them; nil for none.
func (t *tables) lapsedFrom(key string) (row *Repo) {
	if t.format < formatCourse {
		return nil
	}
	first := &Repo{Rarely: &Rarely{Sourced: &Sourced{}, urlKeys: []string{key}}}
	t.lapsed.Ascend(first, func(r *Repo) bool {
		if r.Origin() != key {
			return false
		}
		row = r
		return true
	})
	return row
}
