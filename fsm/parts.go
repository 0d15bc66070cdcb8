package fsm

import (
	"github.com/tidwall/btree"

	"gitmirror/fsm/snapshot"
)

// part is one table as a snapshot has it.
type part struct {
	name  string
	write func(c *Capture, w *recordWriter)
	// read takes a record that is of this table; mine is false for another.
	read func(b *builder, rec *snapshot.Record) (mine bool, err error)
	// count is how many records there are, and counted where a snapshot's end says it. Both
	// are nil for a table of which there is one record.
	count   func(t *tables, requests *btree.BTreeG[*request]) int
	counted func(end *snapshot.End) *uint64
}

// parts are what a snapshot consists of, in its order. A row of one may name what came in
// those before it.
var parts = []part{metaPart, nodePart, repoPart, trashPart, sourcePart, claimPart, eventPart, requestPart}

// scan writes the record of each item of a table.
func scan[T any](w *recordWriter, tree *btree.BTreeG[T], record func(T) *snapshot.Record) {
	tree.Scan(func(item T) bool {
		w.write(record(item))
		return w.err == nil
	})
}

// reads is the read of a part: get finds its record, add takes it.
func reads[R any](get func(*snapshot.Record) *R, add func(*builder, *R) error) func(*builder, *snapshot.Record) (bool, error) {
	return func(b *builder, rec *snapshot.Record) (bool, error) {
		r := get(rec)
		if r == nil {
			return false, nil
		}
		return true, add(b, r)
	}
}
