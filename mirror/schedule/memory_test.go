package schedule

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"gitmirror/internal/clock"
	"gitmirror/internal/testlog"
	"gitmirror/mirror/work"
)

// resting is a table of repositories that are here and are not due: for a benchmark, rows
// are made when they are asked for.
type resting struct{ world }

func (r *resting) Held(string) Held                           { return Held{Any: true, Generation: 1} }
func (r *resting) Due(string) (work.Due, bool)                { return work.Due{}, true }
func (r *resting) Remember(string, work.Due)                  {}
func (r *resting) Run(context.Context, work.Task) work.Result { panic("nothing is due") }

// BenchmarkResting measures what a repository at rest costs beside its row, and what it
// takes to assign it.
func BenchmarkResting(b *testing.B) {
	const n = 1_000_000
	rows := make([]work.Assignment, n)
	for i := range rows {
		rows[i] = owned(fmt.Sprintf("01HZX%021d", i), fmt.Sprint("host", i%100))
		rows[i].Policy.Interval = time.Hour
	}
	for b.Loop() {
		r := &resting{}
		before := testlog.Heap()
		s := New(Config{Clock: clock.NewManual(time.Now()), Runner: r, Disk: r, Memory: r, Random: func() float64 { return 0.5 }})
		began := time.Now()
		for _, a := range rows {
			s.Assign(a)
		}
		took := time.Since(began)
		b.ReportMetric(float64(testlog.Heap()-before)/n, "B/repo")
		b.ReportMetric(float64(took.Nanoseconds())/n, "ns/assign")
		began = time.Now()
		for _, a := range rows {
			s.Assign(a)
		}
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/n, "ns/same")
		runtime.KeepAlive(s)
	}
	runtime.KeepAlive(rows)
}

// A million of them may rest on a node: 300 bytes are what one may cost beside its row,
// with its place in the table and in the queue.
func TestARestingRepositoryIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(repo{}); size > 208 {
		t.Errorf("%d bytes", size)
	}
}
