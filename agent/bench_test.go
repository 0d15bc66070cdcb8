package agent

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror"
)

// quick stands in for a mirror that takes what it is given.
type quick struct {
	Mirror
	assigned int
}

func (q *quick) Assign(mirror.Assignment)                { q.assigned++ }
func (q *quick) Unassign(string)                         {}
func (q *quick) Status(string) (s mirror.Status, b bool) { return s, false }

// BenchmarkMillionRows is what one publish costs a node that holds all of a million rows,
// from its entry to the assignment at the mirror.
func BenchmarkMillionRows(b *testing.B) {
	const rows = 1_000_000
	state, index := fsm.New(), uint64(0)
	at := time.Unix(1e9, 0)
	apply := func(data []byte, err error) {
		index++
		if err != nil {
			b.Fatal(err)
		}
		if r := state.Apply(index, data); r.Err != nil || r.Outcome.Code != "" {
			b.Fatal(r)
		}
	}
	apply(fsm.Encode(&command.PutNode{Node: &command.Node{Id: "a", Name: "a", Format: fsm.Format}}, "", at))
	for i := 0; i < rows; i += 1000 {
		add := &command.AddRepos{}
		for j := range 1000 {
			name := fmt.Sprintf("git.example.org/team-%d/project-%d", (i+j)%5000, i+j)
			add.Repos = append(add.Repos, &command.NewRepo{Id: fmt.Sprintf("01K%023d", i+j), Name: name, Urls: []string{"https://" + name}, UrlKeys: []string{name}, Copies: []string{"a"}, Owner: "a"})
		}
		apply(fsm.Encode(add, "", at))
	}
	q := &quick{}
	a := New(Config{Self: "a", State: state})
	a.Attach(q)
	as := a.newAssignments()
	began := time.Now()
	as.follow(state.View())
	b.Logf("the first pass over all rows took %s", time.Since(began).Round(time.Millisecond))
	generation := uint64(0)
	var took []time.Duration
	for b.Loop() {
		generation++
		data, err := fsm.Encode(&command.Publish{Repo: fmt.Sprintf("01K%023d", rows/2), Node: "a", Epoch: 1, FromGeneration: generation - 1, Generation: generation, Complete: true,
			Candidate: fmt.Sprint(generation), Digest: make([]byte, 20), RefsDigest: make([]byte, 20), Refs: 1}, "", at)
		began := time.Now()
		apply(data, err)
		before := q.assigned
		as.follow(state.View())
		if q.assigned != before+1 {
			b.Fatal(q.assigned - before)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
}
