package fsm

import (
	"github.com/tidwall/btree"

	"gitmirror/fsm/snapshot"
)

var trashPart = part{
	name: "trashed repos",
	write: func(c *Capture, w *recordWriter) {
		scan(w, c.view.tables.trash.byAge, func(r *Trashed) *snapshot.Record {
			return &snapshot.Record{Kind: &snapshot.Record_Trashed{Trashed: trashedRecord(r)}}
		})
	},
	read:    reads((*snapshot.Record).GetTrashed, (*builder).addTrashed),
	count:   func(t *tables, _ *btree.BTreeG[*request]) int { return t.trash.byAge.Len() },
	counted: func(end *snapshot.End) *uint64 { return &end.Trashed },
}

// trashedRecord has its policy with it: few rows are in the trash.
func trashedRecord(r *Trashed) *snapshot.Trashed {
	return &snapshot.Trashed{Repo: appendRepo(nil, r.Repo, 1), Policy: policyRecord(1, r.Policy.Policy).GetPolicy(), RemovedMs: r.removedMS}
}

func (b *builder) addTrashed(r *snapshot.Trashed) error {
	if !isRow(r.GetRepo()) {
		return damaged("a trashed repo that is none")
	}
	of := rowReader{heads: b.rows.heads, shared: &b.shared, policies: []*Policy{b.shared.policy(policyOf(recordedPolicy(r.GetPolicy())))}}
	row, err := of.read(r.GetRepo())
	if err != nil {
		return err
	}
	if b.tables.trash.find(row.ID) != nil {
		return damaged("two trashed repos with the id %q", row.ID)
	}
	b.tables.trash.put(&Trashed{Repo: row, removedMS: r.GetRemovedMs()})
	return nil
}
