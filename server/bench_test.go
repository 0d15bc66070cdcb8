package server

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// BenchmarkMillionRows is what this node does for status and for a page of repos at a
// million rows, of which ten change between two questions.
func BenchmarkMillionRows(b *testing.B) {
	const rows = 1_000_000
	state, index, at := fsm.New(), uint64(0), time.Unix(1e9, 0)
	apply := func(msg proto.Message) {
		data, err := fsm.Encode(msg, "", at)
		if err != nil {
			b.Fatal(err)
		}
		index++
		if r := state.Apply(index, data); r.Err != nil || r.Outcome.Code != "" {
			b.Fatal(r)
		}
	}
	for _, n := range []string{"a", "b", "c"} {
		apply(&command.PutNode{Node: &command.Node{Id: n, Name: n, Format: fsm.Format}})
	}
	for i := 0; i < rows; i += 1000 {
		add := &command.AddRepos{}
		for j := range 1000 {
			name := fmt.Sprintf("git.example.org/team-%d/project-%d", (i+j)%5000, i+j)
			add.Repos = append(add.Repos, &command.NewRepo{Id: fmt.Sprintf("01K%023d", i+j), Name: name, Urls: []string{"https://" + name}, UrlKeys: []string{name}, Copies: []string{"a", "b"}, Owner: "a"})
		}
		apply(add)
	}
	s := New(Config{Consensus: &hearing{led: true}, Now: func() time.Time { return at }})
	began := time.Now()
	s.tally.count(s.shape(state.View()))
	b.Logf("the first count of all rows took %s", time.Since(began).Round(time.Millisecond))
	generation := uint64(0)
	b.Run("status", func(b *testing.B) {
		for b.Loop() {
			generation++
			for i := range 10 {
				apply(&command.Publish{Repo: fmt.Sprintf("01K%023d", i), Node: "a", Epoch: 1, FromGeneration: generation - 1, Generation: generation, Complete: true,
					Candidate: fmt.Sprint(generation), Digest: make([]byte, 20), RefsDigest: make([]byte, 20), Refs: 1})
			}
			view := state.View()
			if counts := s.tally.count(s.shape(view)).repos; counts.Total != rows || view.Holding(1).Owned != rows {
				b.Fatal(counts)
			}
		}
	})
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			view := state.View()
			sh, page := s.shape(view), []api.Repo{}
			view.Repos("git.example.org/team-2500", func(r *fsm.Repo) bool {
				page = append(page, sh.render(r, firsthand{}))
				return len(page) < defaultPage
			})
		}
	})
	// One of the two nodes that hold all rows goes down, or comes back.
	b.Run("node-down", func(b *testing.B) {
		next, then := command.NodeState_NODE_STATE_DOWN, command.NodeState_NODE_STATE_UP
		for b.Loop() {
			apply(&command.SetNodeState{Id: "b", State: next})
			next, then = then, next
			s.tally.count(s.shape(state.View()))
		}
	})
}
