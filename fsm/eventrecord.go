package fsm

import (
	"github.com/tidwall/btree"

	"gitmirror/fsm/snapshot"
)

var eventPart = part{
	name:    "events",
	write:   func(c *Capture, w *recordWriter) { scan(w, c.view.tables.events.tree, eventRecord) },
	read:    reads((*snapshot.Record).GetEvent, (*builder).addEvent),
	count:   func(t *tables, _ *btree.BTreeG[*request]) int { return t.events.tree.Len() },
	counted: func(end *snapshot.End) *uint64 { return &end.Events },
}

func eventRecord(e *Event) *snapshot.Record {
	return &snapshot.Record{Kind: &snapshot.Record_Event{Event: &snapshot.Event{
		Seq: e.Seq, Index: e.Index, AtMs: toMS(e.At), Type: e.Type, Repo: e.Repo, Name: e.Name,
		Generation: e.Generation, Epoch: e.Epoch, Changes: e.Changes, ChangesTotal: e.ChangesTotal,
		Detail: e.Detail, Node: uint32(e.Node),
	}}}
}

func (b *builder) addEvent(e *snapshot.Event) error {
	ring := &b.tables.events
	if newest, any := ring.tree.Max(); any && newest.Seq >= e.GetSeq() || e.GetSeq() > ring.last {
		return damaged("event %d out of order", e.GetSeq())
	}
	ring.load(&Event{
		Seq: e.GetSeq(), Index: e.GetIndex(), At: fromMS(e.GetAtMs()), Type: e.GetType(),
		Repo: e.GetRepo(), Name: e.GetName(), Generation: e.GetGeneration(), Epoch: e.GetEpoch(),
		Changes: e.GetChanges(), ChangesTotal: e.GetChangesTotal(), Detail: e.GetDetail(),
		Node: NodeNum(e.GetNode()),
	})
	return nil
}
