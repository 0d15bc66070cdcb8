package fsm

import (
	"github.com/tidwall/btree"

	"gitmirror/fsm/snapshot"
)

var requestPart = part{
	name:    "requests",
	write:   func(c *Capture, w *recordWriter) { scan(w, c.requests, requestRecord) },
	read:    reads((*snapshot.Record).GetRequest, (*builder).addRequest),
	count:   func(_ *tables, requests *btree.BTreeG[*request]) int { return requests.Len() },
	counted: func(end *snapshot.End) *uint64 { return &end.Requests },
}

func requestRecord(r *request) *snapshot.Record {
	return &snapshot.Record{Kind: &snapshot.Record_Request{Request: &snapshot.Request{
		Id: r.id, AtMs: r.atMS, Outcome: r.answer(),
	}}}
}

func (b *builder) addRequest(r *snapshot.Request) error {
	b.requests.remember(r.GetId(), r.GetAtMs(), r.GetOutcome())
	return nil
}
