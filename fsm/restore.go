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
	for _, p := range parts {
		if mine, err := p.read(b, rec); mine {
			return err
		}
	}
	if rec.GetEnd() == nil {
		return damaged("a record of unknown kind")
	}
	return nil
}

// complete compares what was read with what was written.
func (b *builder) complete(end *snapshot.End) error {
	t := &b.tables
	t.nodes = newNodeTable(b.nodes)
	b.loader.close()
	if err := b.loader.into(t); err != nil {
		return err
	}
	for _, p := range parts {
		if p.count == nil {
			continue
		}
		if got, want := uint64(p.count(t, b.requests.queue)), *p.counted(end); got != want {
			return damaged("%d %s, the end says %d", got, p.name, want)
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
