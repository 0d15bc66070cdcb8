package fsm

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"
	"unique"

	"gitmirror/fsm/command"
	"gitmirror/internal/testlog"
)

const million = 1_000_000

// minimal is a row as an import makes it: ids of the usual length, two copies.
func minimal(i int) *command.NewRepo {
	name := fmt.Sprintf("git.example.org/team-%d/project-%d", i%5000, i)
	return &command.NewRepo{
		Id: fmt.Sprintf("01K%023X", uint64(i)*0x9e3779b97f4a7c15), Name: name,
		Urls: []string{"https://" + name}, UrlKeys: []string{name},
		Copies: []string{"a", "b"}, Owner: "a",
	}
}

// imported is a machine with n minimal rows, added in batches of 1,000.
func imported(b *testing.B, n int) *machine {
	m := cluster(b)
	for i := 0; i < n; i += MaxItems {
		rows := make([]*command.NewRepo, MaxItems)
		for j := range rows {
			rows[j] = minimal(i + j)
		}
		m.ok(addRepos(rows...))
	}
	return m
}

// full makes every row one that has been published twice, and is ready on both its nodes, as
// commands leave it.
func (m *machine) full() *machine {
	s := m.state
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	for i, row := range s.tables.byName.Items() {
		if i%MaxItems == 0 { // as somebody looks, so that nodes of trees are copied when they change
			s.view = nil
			s.freeze()
		}
		next := row.edit()
		next.Generation, next.baseNumber, next.event, next.Refs = 2, 1, uint64(i), 10
		next.Digest, next.RefsDigest, next.baseDigest = Digest{2}, Digest{3}, Digest{1}
		next.candidate, next.head, next.changedMS = fmt.Sprintf("01K%023d", i), unique.Make("ref: refs/heads/main"), m.now.UnixMilli()
		for j := range next.Copies {
			next.Copies[j].State, next.Copies[j].Generation = CopyReady, 2
		}
		next.pack()
		m.index++
		s.tables.index = m.index
		s.tables.store(entry{index: m.index, at: m.now}, next)
	}
	return m
}

// BenchmarkAddRepos is one batch, with a reader who looks after each.
func BenchmarkAddRepos(b *testing.B) {
	m := cluster(b)
	n := 0
	for b.Loop() {
		rows := make([]*command.NewRepo, MaxItems)
		for j := range rows {
			rows[j] = minimal(n)
			n++
		}
		m.ok(addRepos(rows...))
		m.state.View()
	}
}

// BenchmarkMillionRows is what is done with a table of a million full rows.
func BenchmarkMillionRows(b *testing.B) {
	before := testlog.Heap()
	m := imported(b, million)
	imports := testlog.Heap() - before
	m.full()
	published := testlog.Heap() - before
	generation := uint64(2)
	// What a row takes, with all that leads to it.
	b.Run("heap", func(b *testing.B) {
		b.ReportMetric(float64(imports)/million, "B/minimal-row")
		b.ReportMetric(float64(published)/million, "B/full-row")
	})
	b.Run("publish+view", func(b *testing.B) {
		for b.Loop() {
			generation++
			m.ok(publish(minimal(million/2).Id, generation))
			m.state.View()
		}
	})
	b.Run("changes", func(b *testing.B) {
		before := m.state.View().Index()
		for range 10 {
			generation++
			m.ok(publish(minimal(million/2).Id, generation))
		}
		v := m.state.View()
		for b.Loop() {
			if ids, ok := v.ChangedSince(before); !ok || len(ids) != 1 {
				b.Fatal(ids, ok)
			}
		}
	})
	b.Run("capture", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			m.state.Capture()
			took = append(took, time.Since(began))
		}
		b.ReportMetric(float64(slices.Max(took)), "longest-ns")
	})
	b.Run("persist", func(b *testing.B) {
		for b.Loop() {
			if err := m.state.Capture().Persist(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("restore", func(b *testing.B) {
		var data bytes.Buffer
		data.Grow(500 * million)
		if err := m.state.Capture().Persist(&data); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(data.Len())/million, "snapshotB/row")
		var other *State
		for b.Loop() {
			other = New()
			if err := other.Restore(bytes.NewReader(data.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
		with := testlog.Heap()
		runtime.KeepAlive(other)
		other = nil
		b.ReportMetric(float64(with-testlog.Heap())/million, "B/full-row")
	})
}
