package fsm

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/tidwall/btree"
)

// loader brings rows into empty tables, all at once: in the order of the trees, which costs
// a tenth of what it costs one by one.
type loader struct {
	rows    []*Repo // by name, as snapshots have them
	byName  filler[*Repo]
	summing sync.WaitGroup
	batches chan []*Repo // to be summed up beside the reading
	summed  int          // rows that were handed over
	sum     sum
}

// summingBatch is how many rows are handed over at a time.
const summingBatch = 1000

func newLoader() *loader {
	l := &loader{batches: make(chan []*Repo, 8)}
	l.byName.tree = newTables().byName
	batches := l.batches
	l.summing.Go(func() {
		for batch := range batches {
			for _, row := range batch {
				l.sum = l.sum.plus(sumOfRow(row))
			}
		}
	})
	return l
}

// add takes the next row. It must not change any more.
func (l *loader) add(row *Repo) error {
	if n := len(l.rows); n > 0 && !nameLess(l.rows[n-1], row) {
		return damaged("repo %q after %q", row.Name, l.rows[n-1].Name)
	}
	l.rows = append(l.rows, row)
	l.byName.add(row)
	if len(l.rows)-l.summed == summingBatch {
		l.handOver()
	}
	return nil
}

func (l *loader) handOver() {
	l.batches <- l.rows[l.summed:len(l.rows):len(l.rows)]
	l.summed = len(l.rows)
}

// close ends the summing up. No row comes any more.
func (l *loader) close() {
	if l.batches != nil {
		l.handOver()
		close(l.batches)
		l.batches = nil
	}
	l.summing.Wait()
}

// into fills empty tables.
func (l *loader) into(t *tables) error {
	byID, err := sortedByID(l.rows)
	if err != nil {
		return err
	}
	l.byName.finish()
	t.byName, t.rows = l.byName.tree, l.sum
	t.loadByID(byID)
	return nil
}

// half is how many items of a node stay in it when it is split, with the one that goes up.
const half = 32

// filler brings items into an empty tree, in its order. Loaded one after the other, they
// would leave nodes that are half empty, as each is split when the next item does not fit.
// Only half of each node is loaded, and the other half, whose place is behind it, fills it up
// when it has been split off.
type filler[T any] struct {
	tree  *btree.BTreeG[T]
	n     int
	later []T
	hint  btree.PathHint
}

func (f *filler[T]) add(item T) {
	f.n++
	switch place := f.n % (2 * half); {
	case place == 0:
		f.tree.Load(item)
		f.fillUp(len(f.later) - half)
	case place < half:
		f.tree.Load(item)
	default:
		f.later = append(f.later, item)
	}
}

func (f *filler[T]) fillUp(n int) {
	for _, item := range f.later[:n] {
		f.tree.SetHint(item, &f.hint)
	}
	f.later = append(f.later[:0], f.later[n:]...)
}

func (f *filler[T]) finish() { f.fillUp(len(f.later)) }

// loadByID fills what is ordered by id, at once.
func (t *tables) loadByID(rows []*Repo) {
	var beside sync.WaitGroup
	beside.Go(func() {
		byID := filler[*Repo]{tree: t.byID}
		for _, row := range rows {
			byID.add(row)
			t.addLive(row)
			t.retire(nil, row)
		}
		byID.finish()
	})
	t.held.load(rows)
	beside.Wait()
}

// load fills empty shelves.
func (h *holdings) load(rows []*Repo) {
	fillers := map[NodeNum]*filler[*Repo]{}
	hold := func(n NodeNum, row *Repo) *shelf {
		s := h.shelf(n)
		if fillers[n] == nil {
			fillers[n] = &filler[*Repo]{tree: s.rows}
		}
		fillers[n].add(row)
		return s
	}
	for _, row := range rows {
		for _, c := range row.Copies {
			hold(c.Node, row).count(c, row, +1)
		}
		if row.unowned() {
			hold(0, row)
		}
	}
	for _, f := range fillers {
		f.finish()
	}
}

// sortedByID returns the rows in the order of their ids, of which no two may be equal. Ids
// are compared by what follows the beginning that all have in common, which is read once.
func sortedByID(rows []*Repo) ([]*Repo, error) {
	type key struct {
		high, low uint64
		row       *Repo
	}
	same := sameBeginning(rows)
	keys := make([]key, len(rows))
	for i, row := range rows {
		var rest [16]byte
		copy(rest[:], row.ID[same:])
		keys[i] = key{binary.BigEndian.Uint64(rest[:]), binary.BigEndian.Uint64(rest[8:]), row}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.high != b.high {
			return cmp.Compare(a.high, b.high)
		}
		if a.low != b.low {
			return cmp.Compare(a.low, b.low)
		}
		return cmp.Compare(a.row.ID, b.row.ID)
	})
	byID := make([]*Repo, len(keys))
	for i, k := range keys {
		if byID[i] = k.row; i > 0 && byID[i-1].ID == k.row.ID {
			return nil, damaged("two repos with the id %q", k.row.ID)
		}
	}
	return byID, nil
}

// sameBeginning returns how many bytes all ids begin with.
func sameBeginning(rows []*Repo) int {
	if len(rows) == 0 {
		return 0
	}
	first, same := rows[0].ID, len(rows[0].ID)
	for _, row := range rows {
		same = min(same, len(row.ID))
		for i := range same {
			if row.ID[i] != first[i] {
				same = i
				break
			}
		}
	}
	return same
}
