package server

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// hearing is a raft group of which some nodes are not heard.
type hearing struct {
	Consensus
	led  bool
	dead map[string]bool
}

func (h *hearing) Settled() bool         { return h.led }
func (h *hearing) Led() bool             { return h.led }
func (h *hearing) Dead() map[string]bool { return h.dead }

// Counts that are kept up are those of a walk, whatever happens to rows and nodes, and
// whenever somebody asks.
func TestCountsAreThoseOfAWalk(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		tb := newTable(tt)
		heard := &hearing{}
		s := New(Config{Consensus: heard, Now: func() time.Time { return tb.at }})
		try := func(msg proto.Message) {
			data, err := fsm.Encode(msg, "", tb.at)
			if err != nil {
				t.Fatal(err)
			}
			tb.index++
			tb.state.Apply(tb.index, data)
		}
		node := rapid.SampledFrom([]string{"n1", "n2", "n3", "n4"})
		repo := rapid.SampledFrom([]string{"r", "s"})
		number := rapid.IntRange(0, 3)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n, id := node.Draw(t, "node"), repo.Draw(t, "repo")
			row := tb.state.View().Repo(id)
			if row == nil {
				row = &fsm.Repo{}
			}
			switch number := number.Draw(t, "number"); rapid.IntRange(0, 13).Draw(t, "kind") {
			case 0, 1:
				try(&command.SetNodeState{Id: n, State: command.NodeState(1 + number)})
			case 2:
				try(&command.Report{Node: n, Condition: &command.NodeCondition{Sick: []string{"", "sick"}[number%2]}})
			case 3:
				try(&command.PutNode{Node: &command.Node{Id: n, Name: n, Peer: n + ":1", Format: fsm.Format}})
			case 4:
				try(&command.RemoveNode{Id: n})
			case 5:
				try(&command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: id, Urls: []string{"https://h/" + id}, UrlKeys: []string{"h/" + id},
					Policy: &command.Policy{Replicas: uint32(number)}, Copies: []string{"n1", "n2"}, Owner: "n1"}}})
			case 6:
				try(&command.Publish{Repo: id, Node: "n1", Epoch: row.Epoch, FromGeneration: row.Generation, Generation: row.Generation + 1, Complete: true,
					Candidate: fmt.Sprint("c", tb.index), Digest: make([]byte, 20), RefsDigest: make([]byte, 20), Refs: 1})
			case 7:
				try(&command.Report{Node: n, Copies: []*command.CopyReport{{Repo: id, State: command.CopyState(2 + number%2), Generation: row.Generation}}})
			case 8:
				try(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: id, Epoch: row.Epoch, ErrorClass: []string{"", "auth"}[number%2]}}})
			case 9:
				try(&command.RemoveRepos{Ids: []string{id}})
			case 10:
				tb.later(time.Duration(number) * 30 * time.Second)
			case 13:
				try(&command.SetNodeDrain{Id: n, Draining: number%2 == 0})
			case 12:
				heard.led, heard.dead = number == 0, map[string]bool{n: true, "n1": false}
			case 11:
				var b bytes.Buffer
				if err := tb.state.Capture().Persist(&b); err != nil {
					t.Fatal(err)
				}
				if err := tb.state.Restore(&b); err != nil {
					t.Fatal(err)
				}
			}
			if !rapid.Bool().Draw(t, "ask") {
				continue
			}
			sh := s.shape(tb.state.View())
			var want api.RepoCounts
			held := begins{}
			below, fails := 0, map[failing]begins{}
			sh.view.Repos("", func(r *fsm.Repo) bool {
				state, _ := sh.state(r)
				want.Count(state, 1)
				if state == api.StateHeld {
					held.add(r.Hold.Since, 1)
				}
				if r.Error != nil && !r.Removed {
					of := failing{"h", r.Error.Class}
					if fails[of] == nil {
						fails[of] = begins{}
					}
					fails[of].add(r.Error.Since, 1)
				}
				if sh.below(r) {
					below++
				}
				return true
			})
			is := s.tally.count(sh)
			got, gotBelow := is.repos, is.below
			if !maps.EqualFunc(is.fails, fails, func(got lasting, want begins) bool { return got == want.all() }) {
				t.Fatalf("%v fail, a walk finds %v", is.fails, fails)
			}
			if is.held != held.all() {
				t.Fatalf("%v are held, a walk finds %v", is.held, held)
			}
			for _, state := range api.StateNames {
				if got.ByState[state] != want.ByState[state] {
					t.Fatalf("%d are %s, a walk finds %d", got.ByState[state], state, want.ByState[state])
				}
			}
			if got.Total != want.Total || below != gotBelow {
				t.Fatalf("%d in all, %d below, a walk finds %d and %d", got.Total, gotBelow, want.Total, below)
			}
		}
	})
}

// Time alone, and a node that holds no copy, change what is shown too.
func TestCountsFollowTimeAndTheNumberOfNodes(t *testing.T) {
	tb := newTable(t)
	s := New(Config{Consensus: &hearing{led: true}, Now: func() time.Time { return tb.at }})
	lacking := 0
	shown := func(want string) {
		t.Helper()
		var counts api.RepoCounts
		is := s.tally.count(s.shape(tb.state.View()))
		if counts, lacking = is.repos, is.below; counts.ByState[want] != 1 || counts.Total != 1 {
			t.Errorf("counted %v, want one %s", counts.ByState, want)
		}
	}
	for _, step := range []struct {
		do      func()
		want    string
		lacking int
	}{
		{func() { tb.publish(1).ready("n2", 1).publish(2) }, api.StateReady, 0},
		{func() { tb.later(2 * time.Minute) }, api.StateCopying, 1},
		{func() {
			tb.do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "r", Epoch: tb.state.View().Repo("r").Epoch, ErrorClass: "auth"}}})
		}, api.StateFailing, 1},
		{func() { tb.ready("n2", 2) }, api.StateFailing, 0},
		{func() {
			tb.do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "r", Epoch: tb.state.View().Repo("r").Epoch}}})
		}, api.StateReady, 0},
	} {
		step.do()
		if shown(step.want); lacking != step.lacking {
			t.Errorf("%s: %d lack copies, want %d", step.want, lacking, step.lacking)
		}
	}

	tb = newTable(t)
	tb.do(&command.RemoveRepos{Ids: []string{"r"}})
	for _, n := range []string{"n1", "n2"} {
		tb.do(&command.Report{Node: n, Copies: []*command.CopyReport{{Repo: "r", State: command.CopyState_COPY_STATE_LEAVING, Gone: true}}})
	}
	tb.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: "r", Name: "r", Urls: []string{"https://h/r"}, UrlKeys: []string{"h/r"}, Policy: &command.Policy{Replicas: 3}, Copies: []string{"n1", "n2"}, Owner: "n1"}}})
	tb.publish(1).ready("n2", 1)
	s = New(Config{Consensus: &hearing{led: true}, Now: func() time.Time { return tb.at }})
	shown(api.StateCopying)
	tb.down("n3")
	shown(api.StateReady)
}

// Where nobody leads, nobody writes down that nodes are gone: who is not heard serves no
// copy all the same.
func TestWhoIsNotHeardServesNothing(t *testing.T) {
	tb := newTable(t)
	heard := &hearing{led: true, dead: map[string]bool{"n2": true, "n1": false}}
	s := New(Config{Consensus: heard, Now: func() time.Time { return tb.at }})
	tb.publish(1).ready("n2", 1)
	shown := func(want, reason string) {
		t.Helper()
		sh := s.shape(tb.state.View())
		counts := s.tally.count(sh).repos
		r := sh.render(sh.view.Repo("r"), firsthand{})
		if counts.ByState[want] != 1 || r.State != want || r.Reason != reason {
			t.Errorf("counted %v, shown %s: %q; want %s: %q", counts.ByState, r.State, r.Reason, want, reason)
		}
	}
	shown(api.StateReady, "")
	heard.led = false
	shown(api.StateCopying, "1 of 2 copies; copy on n2 is not heard")
	heard.dead = map[string]bool{"n1": true, "n2": true}
	shown(api.StateUnserved, "copy on n1 is not heard, copy on n2 is not heard; no other node has a copy")
	if away := s.shape(tb.state.View()).render(tb.state.View().Repo("r"), firsthand{}).Copies[0].Away; away != "not heard" {
		t.Errorf("away: %q", away)
	}
	heard.led = true
	shown(api.StateReady, "")
}

// A node that holds few rows is counted by its rows, one that holds many of them by all.
func TestWhoHoldsManyRowsHasAllCounted(t *testing.T) {
	tb := newTable(t)
	s := New(Config{Consensus: &hearing{led: true}, Now: func() time.Time { return tb.at }})
	for i, many := range []bool{false, true} {
		add := &command.AddRepos{}
		for j := range fewRows / 10 * (1 + 9*i) {
			id := fmt.Sprint("repo-", i, "-", j)
			add.Repos = append(add.Repos, &command.NewRepo{Id: id, Name: id, Urls: []string{"https://h/" + id}, UrlKeys: []string{"h/" + id}, Copies: []string{"n1", "n2"}, Owner: "n1"})
			if len(add.Repos) == fsm.MaxItems {
				tb.do(add)
				add.Repos = nil
			}
		}
		s.tally.count(s.shape(tb.state.View()))
		tb.do(&command.Report{Node: "n2", Condition: &command.NodeCondition{Sick: []string{"sick", ""}[i]}})
		if ids, known := s.tally.differing(s.shape(tb.state.View())); known == many {
			t.Errorf("%d rows are looked at, known %v", len(ids), known)
		}
	}
}

// Of many upstreams that have moved one is named, the same until it is followed; of those that are
// removed, or left alone, nothing is said.
func TestUpstreamsThatHaveMovedAreCounted(t *testing.T) {
	a := surrounded(t)
	a.do(&command.RaiseFormat{Format: fsm.Format})
	a.others(3)
	var ids []string
	a.state.View().Repos("", func(r *fsm.Repo) bool { ids = append(ids, r.ID); return true })
	for _, id := range ids {
		r := a.state.View().Repo(id)
		a.do(&command.Report{Node: a.state.View().Node(r.Owner).ID, Health: []*command.HealthReport{{Repo: id, Epoch: r.Epoch, MovedFrom: r.URLs()[0], MovedTo: r.URLs()[0] + "/new"}}})
	}
	var counting tally
	count := func() moved { return counting.count(a.shape()).moved }
	is := count()
	if is.repos != 4 || !strings.HasPrefix(follow(is).Message, "4 upstreams have moved for good, as that of ") {
		t.Errorf("%d, %+v", is.repos, follow(is))
	}
	for left := 3; left >= 0; left-- {
		for range 20 {
			if again := count(); again.one.ID != is.one.ID {
				t.Fatalf("%s is named, and then %s", is.one.Name, again.one.Name)
			}
		}
		if left%2 == 0 {
			a.do(&command.RemoveRepos{Ids: []string{is.one.ID}})
		} else {
			paused := true
			a.do(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: is.one.ID, Paused: &paused}}})
		}
		if is = count(); is.repos != left || (is.one == nil) != (left == 0) {
			t.Errorf("%d are left: %+v", left, is)
		}
	}
}
