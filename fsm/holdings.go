package fsm

import (
	"maps"

	"github.com/tidwall/btree"
)

// Holding counts what one node holds.
type Holding struct {
	Copies  int // that are to stay
	Wanted  int // of them, those that are still to be made
	Making  int // of them, those that can be: by the owner from an upstream that answers, and from the owner's
	Leaving int
	Owned   int // repos
}

// holdings leads from a node to the rows with a copy on it, leaving ones included, and
// from 0 to the live rows that no node owns. What a node owns is among what it holds: an
// index of its own would cost every row memory for what a filter does.
type holdings struct {
	byNode map[NodeNum]*shelf
	own    map[NodeNum]bool // shelves that no clone shares; nil while byNode itself is shared
}

type shelf struct {
	Holding
	rows *btree.BTreeG[*Repo] // by id
}

// clone costs nothing: whoever changes a shelf first makes it its own.
func (h *holdings) clone() holdings {
	h.own = nil
	return holdings{byNode: h.byNode}
}

// ownAll makes every shelf its own, so that changes need none of whom it was cloned from.
func (h *holdings) ownAll() {
	for n := range h.byNode {
		h.shelf(n)
	}
}

// shelf returns that of a node, to be changed.
func (h *holdings) shelf(n NodeNum) *shelf {
	if h.own == nil {
		shared := h.byNode
		h.byNode, h.own = make(map[NodeNum]*shelf, len(shared)+1), map[NodeNum]bool{}
		maps.Copy(h.byNode, shared)
	}
	s := h.byNode[n]
	if h.own[n] {
		return s
	}
	if s == nil {
		s = &shelf{rows: newByID()}
	} else {
		s = &shelf{Holding: s.Holding, rows: s.rows.Copy()}
	}
	h.byNode[n], h.own[n] = s, true
	return s
}

// move puts is in the place of was; either may be nil.
func (h *holdings) move(was, is *Repo) {
	for _, c := range was.copies() {
		s := h.shelf(c.Node)
		s.count(c, was, -1)
		if _, stays := is.find(c.Node); !stays {
			s.rows.Delete(was)
		}
	}
	for _, c := range is.copies() {
		s := h.shelf(c.Node)
		s.count(c, is, +1)
		s.rows.Set(is)
	}
	switch {
	case is.unowned():
		h.shelf(0).rows.Set(is)
	case was.unowned():
		h.shelf(0).rows.Delete(was)
	}
}

func (h *Holding) count(c Copy, row *Repo, n int) {
	switch c.State {
	case CopyLeaving:
		h.Leaving += n
	case CopyWanted:
		h.Wanted += n
		h.Copies += n
		if row.Generation > 0 || c.Node == row.Owner && row.Error == nil && !row.LeftAlone() {
			h.Making += n
		}
	default:
		h.Copies += n
	}
	if c.Node == row.Owner {
		h.Owned += n
	}
}

// copies are none of no row.
func (r *Repo) copies() []Copy {
	if r == nil {
		return nil
	}
	return r.Copies
}

func (r *Repo) unowned() bool { return r != nil && r.Owner == 0 && !r.Removed }

// Holding counts what a node holds.
func (v *View) Holding(n NodeNum) Holding {
	if s := v.tables.held.byNode[n]; s != nil {
		return s.Holding
	}
	return Holding{}
}

// HeldBy calls fn with each row that has a copy on a node, one that leaves too, by id,
// until fn returns false.
func (v *View) HeldBy(n NodeNum, fn func(*Repo) bool) { v.tables.heldBy(n, fn) }

// OwnedBy calls fn with each row that a node owns, by id, until fn returns false; for 0
// with the live rows that no node owns. It looks at all that the node holds.
func (v *View) OwnedBy(n NodeNum, fn func(*Repo) bool) {
	v.tables.heldBy(n, func(row *Repo) bool { return row.Owner != n || fn(row) })
}

func (t *tables) heldBy(n NodeNum, fn func(*Repo) bool) {
	if s := t.held.byNode[n]; s != nil {
		s.rows.Scan(fn)
	}
}
