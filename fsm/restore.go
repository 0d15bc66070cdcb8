package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unique"

	"google.golang.org/protobuf/proto"

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
	rows     rowReader
	loader   *loader
}

func (b *builder) read(r *recordReader) error {
	b.rows.heads, b.rows.shared = map[string]unique.Handle[string]{}, &b.shared
	b.loader = newLoader()
	defer b.loader.close()
	var err error
	if b.tables.index, err = r.header(); err != nil {
		return err
	}
	b.tables.moved.since = b.tables.index
	b.nodes = map[NodeNum]*Node{}
	for {
		record, err := r.next()
		if err != nil {
			return err
		}
		end, err := b.add(record)
		if err != nil {
			return err
		}
		if end != nil {
			return errors.Join(b.complete(end), r.checksum())
		}
	}
}

func (b *builder) add(record []byte) (*snapshot.End, error) {
	if isRow(record) {
		return nil, b.addRepo(record)
	}
	rec := new(snapshot.Record)
	if err := proto.Unmarshal(record, rec); err != nil {
		return nil, damaged("%w", err)
	}
	return rec.GetEnd(), b.addOther(rec)
}

func (b *builder) addOther(rec *snapshot.Record) error {
	switch k := rec.GetKind().(type) {
	case *snapshot.Record_Meta:
		return b.addMeta(k.Meta)
	case *snapshot.Record_Node:
		return b.addNode(k.Node)
	case *snapshot.Record_Policy:
		return b.addPolicy(k.Policy)
	case *snapshot.Record_Event:
		return b.addEvent(k.Event)
	case *snapshot.Record_Request:
		b.requests.remember(k.Request.GetId(), k.Request.GetAtMs(), k.Request.GetOutcome())
		return nil
	case *snapshot.Record_End:
		return nil
	}
	return damaged("a record of unknown kind")
}

// complete compares what was read with what was written.
func (b *builder) complete(end *snapshot.End) error {
	t := &b.tables
	t.nodes = newNodeTable(b.nodes)
	b.loader.close()
	if err := b.loader.into(t); err != nil {
		return err
	}
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"nodes", uint64(len(b.nodes)), end.GetNodes()},
		{"repos", uint64(t.byID.Len()), end.GetRepos()},
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
	if int(p.GetNum()) != len(b.rows.policies)+1 {
		return damaged("policy %d after %d", p.GetNum(), len(b.rows.policies))
	}
	b.rows.policies = append(b.rows.policies, b.shared.policy(policyOf(recordedPolicy(p))))
	return nil
}

// addRepo takes a row, whose nodes must have come before.
func (b *builder) addRepo(record []byte) error {
	row, err := b.rows.read(record)
	if err != nil {
		return err
	}
	for i, c := range row.Copies {
		if b.nodes[c.Node] == nil || i > 0 && row.Copies[i-1].Node >= c.Node {
			return damaged("repo %q has a copy on node %d", row.Name, c.Node)
		}
	}
	return b.loader.add(row)
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
