package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
	"unique"

	"gitmirror/fsm/snapshot"
)

// Restore replaces the state by that of a snapshot. It builds the new state
// aside, checks all of it and swaps: on an error nothing has changed.
func (s *State) Restore(r io.Reader) error {
	b := builder{tables: newTables(), requests: newRequests()}
	if err := b.read(newRecordReader(r)); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables, s.requests, s.shared = b.tables, b.requests, b.shared
	s.wake()
	return nil
}

// builder puts a state together, record by record.
type builder struct {
	tables   tables
	requests requests
	shared   interner
	nodes    map[NodeNum]*Node
	policies []*Policy
}

func (b *builder) read(r *recordReader) error {
	var err error
	if b.tables.index, err = r.header(); err != nil {
		return err
	}
	b.tables.moved.since = b.tables.index
	b.nodes = map[NodeNum]*Node{}
	for {
		rec, err := r.next()
		if err != nil {
			return err
		}
		if end := rec.GetEnd(); end != nil {
			b.tables.nodes = newNodeTable(b.nodes)
			return errors.Join(b.complete(end), r.checksum())
		}
		if err := b.add(rec); err != nil {
			return err
		}
	}
}

func (b *builder) add(rec *snapshot.Record) error {
	switch k := rec.GetKind().(type) {
	case *snapshot.Record_Meta:
		return b.addMeta(k.Meta)
	case *snapshot.Record_Node:
		return b.addNode(k.Node)
	case *snapshot.Record_Policy:
		return b.addPolicy(k.Policy)
	case *snapshot.Record_Repo:
		return b.addRepo(k.Repo)
	case *snapshot.Record_Event:
		return b.addEvent(k.Event)
	case *snapshot.Record_Request:
		b.requests.remember(k.Request.GetId(), k.Request.GetAtMs(), k.Request.GetOutcome())
		return nil
	}
	return damaged("a record of unknown kind")
}

// complete compares what was read with what was written.
func (b *builder) complete(end *snapshot.End) error {
	t := &b.tables
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"nodes", uint64(len(b.nodes)), end.GetNodes()},
		{"repos", uint64(t.byID.Len()), end.GetRepos()},
		{"repos by name", uint64(t.byName.Len()), end.GetRepos()},
		{"events", uint64(t.events.tree.Len()), end.GetEvents()},
		{"requests", uint64(b.requests.queue.Len()), end.GetRequests()},
	} {
		if c.got != c.want {
			return damaged("%d %s, the end says %d", c.got, c.what, c.want)
		}
	}
	// The rows were summed up anew: what the machine that wrote this had lost
	// track of, or changed by mistake, shows here.
	if got := t.digest(); !bytes.Equal(got[:], end.GetDigest()) {
		return damaged("the table's digest is %s, the end says %x", got, end.GetDigest())
	}
	return b.addMarks(end.GetMarks())
}

func (b *builder) addMarks(marks []*snapshot.Mark) error {
	var last uint64
	for _, m := range marks {
		mark := Mark{Index: m.GetIndex()}
		if copy(mark.Digest[:], m.GetDigest()) != len(m.GetDigest()) || mark.Index <= last || mark.Index > b.tables.index {
			return damaged("mark %d after %d", mark.Index, last)
		}
		b.tables.marks, last = append(b.tables.marks, mark), mark.Index
	}
	return nil
}

func (b *builder) addMeta(m *snapshot.Meta) error {
	b.tables.clusterID = m.GetClusterId()
	b.tables.nowMS = m.GetNowMs()
	b.tables.lastNode = NodeNum(m.GetLastNode())
	b.tables.events.last = m.GetLastEvent()
	b.tables.jumpedMS = m.GetJumpedMs()
	if b.tables.format = max(m.GetFormat(), 1); b.tables.format > Format {
		return damaged("cluster format %d, this binary speaks up to %d: upgrade this node", b.tables.format, Format)
	}
	return nil
}

func (b *builder) addNode(n *snapshot.Node) error {
	num := NodeNum(n.GetNum())
	if num == 0 || num > b.tables.lastNode || b.nodes[num] != nil {
		return damaged("node number %d of at most %d", num, b.tables.lastNode)
	}
	b.nodes[num] = &Node{
		Num: num, ID: n.GetId(), Name: n.GetName(), Peer: n.GetPeer(), HTTP: n.GetHttp(),
		Zone: n.GetZone(), Version: n.GetVersion(), Weight: n.GetWeight(), State: NodeState(n.GetState()),
		Since: fromMS(n.GetSinceMs()), JoinedAt: fromMS(n.GetJoinedMs()), Flaps: n.GetFlaps(),
		Run: n.GetRun(), Format: n.GetFormat(), Disk: failureOf(n.GetDisk()), Sick: failureOf(n.GetSick()),
	}
	return nil
}

func (b *builder) addPolicy(p *snapshot.Policy) error {
	if int(p.GetNum()) != len(b.policies)+1 {
		return damaged("policy %d after %d", p.GetNum(), len(b.policies))
	}
	b.policies = append(b.policies, b.shared.policy(Policy{
		Replicas: int(p.GetReplicas()),
		Interval: time.Duration(p.GetIntervalMs()) * time.Millisecond,
		Refspecs: p.GetRefspecs(),
		MaxSize:  p.GetMaxSize(), MaxObject: p.GetMaxObjectSize(), Accept: p.GetAccept(),
	}))
	return nil
}

func (b *builder) addRepo(r *snapshot.Repo) error {
	num := int(r.GetPolicy())
	if num < 1 || num > len(b.policies) || len(r.GetUrls()) == 0 || len(r.GetUrls()) != len(r.GetUrlKeys()) {
		return damaged("repo %q without its policy or urls", r.GetName())
	}
	row := &Repo{
		ID: r.GetId(), Name: r.GetName(), Policy: b.policies[num-1],
		Rarely:  &Rarely{Labels: b.shared.labelSet(r.GetLabels()), Paused: r.GetPaused()},
		Removed: r.GetRemoved(), Owner: NodeNum(r.GetOwner()), Epoch: r.GetEpoch(),
		Generation: r.GetGeneration(), Refs: r.GetRefs(), head: unique.Make(r.GetHead()), candidate: r.GetCandidate(),
		addedMS: r.GetAddedMs(), changedMS: r.GetChangedMs(), Version: r.GetVersion(),
		baseNumber: r.GetBaseGeneration(), event: r.GetPublishedEvent(),
	}
	row.pack()
	row.setURLs(r.GetUrls(), r.GetUrlKeys())
	copy(row.Digest[:], r.GetDigest())
	copy(row.RefsDigest[:], r.GetRefsDigest())
	copy(row.baseDigest[:], r.GetBaseDigest())
	for _, g := range r.GetLost() {
		lost := Generation{Number: g.GetNumber()}
		copy(lost.Digest[:], g.GetDigest())
		row.Lost = append(row.Lost, lost)
	}
	row.Error = failureOf(r.GetError())
	if h := r.GetHold(); h != nil {
		row.Hold = &Hold{Reason: h.GetReason(), Since: fromMS(h.GetSinceMs()), Lost: h.GetLost(), Settled: h.GetSettled(), First: h.GetFirst()}
		copy(row.Hold.Observed[:], h.GetObserved())
		copy(row.Hold.Losses[:], h.GetLosses())
	}
	if a := r.GetApproved(); a != nil {
		row.Approved = &Approval{At: fromMS(a.GetAtMs()), Count: a.GetCount(), First: a.GetFirst(), Index: a.GetIndex(), Unpinned: a.GetUnpinned()}
		copy(row.Approved.Observed[:], a.GetObserved())
		copy(row.Approved.Losses[:], a.GetLosses())
	}
	for _, rel := range r.GetReleased() {
		row.Released = append(row.Released, Release{Ref: rel.GetRef(), OID: rel.GetOid(), Upstream: rel.Upstream, At: fromMS(rel.GetAtMs()), Index: rel.GetIndex()})
	}
	for _, p := range r.GetPins() {
		row.Pins = append(row.Pins, Pin{p.GetRef(), p.GetOid()})
	}
	row.Copies = make([]Copy, len(r.GetCopies()))
	for i, c := range r.GetCopies() {
		state, known := parseCopyState(c.GetState())
		if n := NodeNum(c.GetNode()); !known || b.nodes[n] == nil || i > 0 && row.Copies[i-1].Node >= n {
			return damaged("repo %q has a copy %q on node %d", r.GetName(), c.GetState(), n)
		}
		row.Copies[i] = Copy{Node: NodeNum(c.GetNode()), State: state, Generation: c.GetGeneration()}
	}
	row.compact()
	b.tables.move(nil, row)
	return nil
}

func failureOf(f *snapshot.Failure) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Class: f.GetClass(), Message: f.GetMessage(), Since: fromMS(f.GetSinceMs())}
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
	})
	return nil
}
