package fsm

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"

	"gitmirror/fsm/command"
)

// minimal is a row as an import makes it: ids of the usual length, two copies.
func minimal(i int) *command.NewRepo {
	name := fmt.Sprintf("git.example.org/team-%d/project-%d", i%5000, i)
	return &command.NewRepo{
		Id: fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15), Name: name,
		Urls: []string{"https://" + name}, UrlKeys: []string{name},
		Copies: []string{"a", "b"}, Owner: "a",
	}
}

func heap() uint64 {
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

func BenchmarkImportMillion(b *testing.B) {
	const rows = 1_000_000
	var m *machine
	for b.Loop() {
		before := heap()
		m = imported(b, rows)
		b.ReportMetric(float64(heap()-before)/rows, "B/row")
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

func BenchmarkMillionRows(b *testing.B) {
	m := imported(b, 1_000_000)
	b.Run("apply+view", func(b *testing.B) {
		for b.Loop() {
			m.do(&command.SetNodeState{Id: "c", State: command.NodeState_NODE_STATE_UP})
			m.state.View()
		}
	})
	b.Run("capture", func(b *testing.B) {
		for b.Loop() {
			m.state.Capture()
		}
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
		b.ReportMetric(float64(len(data))/1_000_000, "snapshotB/row")
		for b.Loop() {
			if err := New().Restore(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
