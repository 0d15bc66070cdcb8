package server

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/api"
	"gitmirror/fsm/command"
)

// What is left alone is shown so, though it failed before: that nobody looks is meant, and no
// reason to call a cluster anything. It still lacks the copies that it lacks.
func TestWhatIsPausedDoesNotFail(t *testing.T) {
	tb := newTable(t).do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "r", Epoch: 1, ErrorClass: "not_found", Message: "gone"}}})
	var count tally
	counted := func() counted {
		return count.count(shape{view: tb.state.View(), now: time.Unix(1e9, 0), live: 3})
	}
	if c := counted(); c.repos.ByState[api.StateFailing] != 1 || len(c.fails) != 1 {
		t.Fatalf("failing: %+v", c)
	}
	pause := func(paused bool) {
		tb.do(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "r", Paused: proto.Bool(paused)}}})
	}
	pause(true)
	if c := counted(); c.repos.ByState[api.StatePaused] != 1 || c.repos.ByState[api.StateFailing] != 0 || len(c.fails) != 0 {
		t.Errorf("paused: %+v", c)
	}
	sh := shape{view: tb.state.View(), live: 3}
	row := sh.view.Repo("r")
	if r := sh.render(row, firsthand{}); r.State != api.StatePaused || !r.Paused || r.Error == nil || !slices.Contains(r.Also, "failing: not_found") || !sh.in(row, api.StateFailing) {
		t.Errorf("shown as %s, also %v", r.State, r.Also)
	}
	for _, v := range sh.states(row) {
		if v.state == api.StatePending || v.state == api.StateCloning || v.state == api.StateReady {
			t.Errorf("it is %s", v.state)
		}
	}
	pause(false)
	if c := counted(); len(c.fails) != 1 {
		t.Errorf("followed again: %+v", c)
	}
}
