package coordinator

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"gitmirror/fsm/command"
)

const (
	benchRows  = 1_000_000
	benchNodes = 100
)

// large is a cluster of a million rows on a hundred nodes, each of which owns 10,000, and
// the time of a plan over everything. Commands are applied without a log.
func large(b *testing.B) *world {
	b.Helper()
	w := newWorld(b, benchNodes)
	w.c.log = slog.New(slog.DiscardHandler)
	w.look()
	rows := make([]*command.NewRepo, 0, 500)
	for i := range benchRows {
		n := 1 + i%benchNodes
		row := &command.NewRepo{Id: fmt.Sprintf("%026d", i), Name: fmt.Sprintf("git.example.org/group%d/repo%d", i%1000, i),
			Urls:    []string{fmt.Sprintf("https://git.example.org/group%d/repo%d", i%1000, i)},
			UrlKeys: []string{fmt.Sprintf("git.example.org/group%d/repo%d", i%1000, i)}, Policy: &command.Policy{},
			Owner: id(n), Copies: []string{id(n), id(1 + (n+i/benchNodes%(benchNodes-1))%benchNodes)}}
		if rows = append(rows, row); len(rows) == cap(rows) {
			w.apply(&command.AddRepos{Repos: rows})
			rows = rows[:0]
		}
	}
	runtime.GC()
	return w
}

// BenchmarkOwnerLost measures the time from the row of a node that says down to when the
// last of its 10,000 repos has another owner; what a look costs when nothing has changed;
// what it costs when ten rows have; and the plan over everything.
func BenchmarkOwnerLost(b *testing.B) {
	w := large(b)
	began := time.Now()
	w.look() // plans everything
	b.ReportMetric(time.Since(began).Seconds(), "s/plan")
	w.look()
	var lost, quiet, few time.Duration
	n := 0
	for b.Loop() {
		n++
		victim := id(1 + n%(benchNodes-1) + 1)
		row := w.state.View().NodeByID(victim)
		w.alive[victim] = false
		w.apply(&command.SetNodeState{Id: victim, State: command.NodeState_NODE_STATE_DOWN})
		began := time.Now()
		s := w.c.survey()
		w.c.term.Load().agenda.follow(s)
		if err := w.c.placeRows(context.Background(), s, w.c.term.Load().agenda.next(s.view)); err != nil {
			b.Fatal(err)
		}
		lost += time.Since(began)
		if left := w.state.View().Holding(row.Num).Owned; left > 0 {
			b.Fatalf("%d repos still have the lost owner", left)
		}
		w.alive[victim] = true
		w.apply(&command.SetNodeState{Id: victim, State: command.NodeState_NODE_STATE_UP})
		w.look()
		w.look()
		began = time.Now()
		w.look()
		quiet += time.Since(began)
		for i := range 10 { // of the first node, which is never lost
			w.publish(w.state.View().Repo(fmt.Sprintf("%026d", (n*10+i)*benchNodes)))
		}
		began = time.Now()
		w.look()
		few += time.Since(began)
	}
	b.ReportMetric(lost.Seconds()/float64(n), "s/lost-owner")
	b.ReportMetric(quiet.Seconds()*1e3/float64(n), "ms/quiet-look")
	b.ReportMetric(few.Seconds()*1e3/float64(n), "ms/look-at-ten")
}
