package fsm

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"gitmirror/fsm/command"
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

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
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

// full makes every row one that has been published twice, and is ready on both its nodes.
func (m *machine) full(n int) *machine {
	for generation := range uint64(2) {
		for i := range n {
			p := publish(minimal(i).Id, generation+1)
			p.Candidate = fmt.Sprintf("01K%023d", i)
			p.BaseGeneration, p.BaseDigest, p.Complete = generation, digest(byte(generation)), true
			m.ok(p)
		}
	}
	for i := 0; i < n; i += MaxItems {
		r := &command.Report{Node: "b"}
		for j := range MaxItems {
			r.Copies = append(r.Copies, &command.CopyReport{Repo: minimal(i + j).Id, State: command.CopyState_COPY_STATE_READY, Generation: 2})
		}
		m.ok(r)
	}
	return m
}

// BenchmarkRow is what a row takes, with all that leads to it.
func BenchmarkRow(b *testing.B) {
	var m *machine
	for b.Loop() {
		m = nil
		before := heap()
		m = imported(b, million)
		b.ReportMetric(float64(heap()-before)/million, "B/minimal-row")
		m.full(million)
		b.ReportMetric(float64(heap()-before)/million, "B/full-row")
	}
	runtime.KeepAlive(m)
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
	m := imported(b, million).full(million)
	generation := uint64(2)
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
		data := m.snapshot()
		b.ReportMetric(float64(len(data))/million, "snapshotB/row")
		for b.Loop() {
			if err := New().Restore(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
