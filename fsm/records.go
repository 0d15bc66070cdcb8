package fsm

import (
	"time"

	"gitmirror/fsm/snapshot"
)

// How what is not a row becomes a record; rows do so in rowrecord.go. The way back is in
// restore.go.

func metaRecord(t *tables) *snapshot.Record {
	return &snapshot.Record{Kind: &snapshot.Record_Meta{Meta: &snapshot.Meta{
		ClusterId: t.clusterID,
		NowMs:     t.nowMS,
		LastNode:  uint32(t.lastNode),
		LastEvent: t.events.last,
		Format:    t.format,
		JumpedMs:  t.jumpedMS,
	}}}
}

func nodeRecord(n *Node) *snapshot.Record {
	return &snapshot.Record{Kind: &snapshot.Record_Node{Node: &snapshot.Node{
		Num: uint32(n.Num), Id: n.ID, Name: n.Name, Peer: n.Peer, Http: n.HTTP,
		Zone: n.Zone, Version: n.Version, Weight: n.Weight, State: string(n.State),
		SinceMs: toMS(n.Since), JoinedMs: toMS(n.JoinedAt), Flaps: n.Flaps,
		Run: n.Run, Format: n.Format, Disk: failureRecord(n.Disk), Sick: failureRecord(n.Sick),
	}}}
}

func holdRecord(h *Hold) *snapshot.Hold {
	return &snapshot.Hold{Reason: h.Reason, SinceMs: toMS(h.Since), Observed: digestBytes(h.Observed),
		Lost: h.Lost, Settled: h.Settled, First: h.First, Losses: digestBytes(h.Losses)}
}

func approvalRecord(a *Approval) *snapshot.Approval {
	return &snapshot.Approval{AtMs: toMS(a.At), Observed: digestBytes(a.Observed), Losses: digestBytes(a.Losses),
		Count: a.Count, First: a.First, Index: a.Index, Unpinned: a.Unpinned}
}

func releaseRecord(r Release) *snapshot.Release {
	return &snapshot.Release{Ref: r.Ref, Oid: r.OID, Upstream: r.Upstream, AtMs: toMS(r.At), Index: r.Index}
}

func failureRecord(f *Failure) *snapshot.Failure {
	if f == nil {
		return nil
	}
	return &snapshot.Failure{Class: f.Class, Message: f.Message, SinceMs: toMS(f.Since)}
}

func eventRecord(e *Event) *snapshot.Record {
	return &snapshot.Record{Kind: &snapshot.Record_Event{Event: &snapshot.Event{
		Seq: e.Seq, Index: e.Index, AtMs: toMS(e.At), Type: e.Type, Repo: e.Repo, Name: e.Name,
		Generation: e.Generation, Epoch: e.Epoch, Changes: e.Changes, ChangesTotal: e.ChangesTotal,
		Detail: e.Detail,
	}}}
}

func requestRecord(r *request) *snapshot.Record {
	return &snapshot.Record{Kind: &snapshot.Record_Request{Request: &snapshot.Request{
		Id: r.id, AtMs: r.atMS, Outcome: r.outcome,
	}}}
}

// toMS is 0 for the zero time, which the clock of the log never shows.
func toMS(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMS(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return atTime(ms)
}

func digestBytes(d Digest) []byte {
	if d.IsZero() {
		return nil
	}
	return d[:]
}
