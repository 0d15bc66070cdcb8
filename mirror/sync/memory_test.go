package sync

import (
	"fmt"
	"runtime"
	"testing"

	"gitmirror/internal/testlog"
)

// BenchmarkSeen measures what is kept of the last answer that was dealt with.
func BenchmarkSeen(b *testing.B) {
	const n = 1_000_000
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("01HZX%021d", i)
	}
	for b.Loop() {
		w := New(Config{Fetches: 1})
		before := testlog.Heap()
		for i, id := range ids {
			w.seen[keyOf(id)] = sight{fingerprint: 1, of: uint64(i)}
		}
		b.ReportMetric(float64(testlog.Heap()-before)/n, "B/repo")
		runtime.KeepAlive(w)
	}
}
