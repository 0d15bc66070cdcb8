package server

import (
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

func (tb *table) news(h *command.HealthReport) *table {
	h.Repo, h.Epoch = "r", 1
	return tb.do(&command.Report{Node: "n1", Health: []*command.HealthReport{h}})
}

func (tb *table) up(node string) *table {
	return tb.do(&command.SetNodeState{Id: node, State: command.NodeState_NODE_STATE_UP})
}

// The state that is shown says since when it is, and nothing where nobody knows.
func TestSinceWhen(t *testing.T) {
	paused := true
	for name, c := range map[string]struct {
		make  func(tb *table)
		state string
		known bool // it began an hour after all else
	}{
		"well":    {func(*table) {}, api.StateReady, false},
		"failing": {func(tb *table) { tb.later(time.Hour).news(&command.HealthReport{ErrorClass: "network"}) }, api.StateFailing, true},
		"failing, in new words": {func(tb *table) {
			tb.later(time.Hour).news(&command.HealthReport{ErrorClass: "network"}).later(time.Hour).news(&command.HealthReport{ErrorClass: "network", Message: "m"})
		}, api.StateFailing, true},
		"held while it fails": {func(tb *table) {
			tb.news(&command.HealthReport{ErrorClass: "network"}).later(time.Hour).news(&command.HealthReport{ErrorClass: "network", HoldReason: "empty"})
		}, api.StateHeld, true},
		"parked": {func(tb *table) {
			tb.news(&command.HealthReport{ErrorClass: "not_found"}).later(time.Hour).news(&command.HealthReport{ErrorClass: "not_found", Parked: true})
		}, api.StateParked, true},
		"paused": {func(tb *table) {
			tb.later(time.Hour).do(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "r", Paused: &paused}}})
		}, api.StatePaused, true},
		"removed":                {func(tb *table) { tb.later(time.Hour).do(&command.RemoveRepos{Ids: []string{"r"}}) }, api.StateRemoving, true},
		"the last node is down":  {func(tb *table) { tb.down("n1").later(time.Hour).down("n2") }, api.StateUnserved, true},
		"the last node is sick":  {func(tb *table) { tb.down("n1").later(time.Hour).sick("n2") }, api.StateUnserved, true},
		"the last copy broke":    {func(tb *table) { tb.down("n1").later(time.Hour).broken("n2") }, api.StateUnserved, true},
		"a copy broke before":    {func(tb *table) { tb.broken("n1").later(time.Hour).down("n2") }, api.StateUnserved, true},
		"one copy is left":       {func(tb *table) { tb.later(time.Hour).down("n1") }, api.StateCopying, true},
		"one copy broke":         {func(tb *table) { tb.later(time.Hour).broken("n1") }, api.StateCopying, true},
		"the newest is away":     {func(tb *table) { tb.publish(2).ready("n1", 2).later(time.Hour).down("n1") }, api.StateCopying, true},
		"it follows for long":    {func(tb *table) { tb.later(time.Hour).publish(2).ready("n1", 2).later(time.Hour) }, api.StateCopying, true},
		"it was down, and again": {func(tb *table) { tb.down("n1").down("n2").up("n2").later(time.Hour).down("n2") }, api.StateUnserved, true},
	} {
		tb := newTable(t).do(&command.RaiseFormat{Format: fsm.Format}).publish(1).ready("n1", 1).ready("n2", 1)
		began := tb.at.Add(time.Hour)
		c.make(tb)
		view := tb.state.View()
		r := tb.shape().render(view.Repo("r"), firsthand{})
		if r.State != c.state || (r.Since != nil) != c.known || c.known && !r.Since.Equal(began) {
			t.Errorf("%s: %s since %v, want %s since %v", name, r.State, r.Since, c.state, began)
		}
	}
}

// What has never been here is cloned since it was added, and waits since its node went away.
func TestSinceWhenItIsNotHere(t *testing.T) {
	tb := newTable(t)
	added := tb.state.View().Repo("r").AddedAt()
	if r := tb.shape().render(tb.state.View().Repo("r"), firsthand{}); r.State != api.StateCloning || r.Since == nil || !r.Since.Equal(added) {
		t.Errorf("%s since %v, added at %s", r.State, r.Since, added)
	}
	tb.later(time.Hour)
	began := tb.at
	tb.down("n1")
	if r := tb.shape().render(tb.state.View().Repo("r"), firsthand{}); r.State != api.StatePending || r.Since == nil || r.Since.Before(began) {
		t.Errorf("%s since %v, want %s", r.State, r.Since, began)
	}
}

// A broken copy says since when, and for as long as that is remembered.
func TestSinceWhenACopyIsBroken(t *testing.T) {
	tb := newTable(t).do(&command.RaiseFormat{Format: fsm.Format}).publish(1).ready("n1", 1).ready("n2", 1).broken("n2").ready("n2", 1)
	began := tb.later(time.Hour).at
	tb.broken("n2").later(time.Hour)
	copies := func() []api.Copy { return tb.shape().render(tb.state.View().Repo("r"), firsthand{}).Copies }
	if c := copies(); c[0].Since != nil || c[1].Since == nil || !c[1].Since.Equal(began) {
		t.Errorf("%+v, want the second since %v", c, began)
	}
	for range 10_000 {
		tb.do(&command.Pin{Repo: "r", Ref: "refs/heads/main", Oid: "1111111111111111111111111111111111111111"})
		tb.do(&command.Pin{Repo: "r", Ref: "refs/heads/main", Oid: "2222222222222222222222222222222222222222"})
	}
	if c := copies(); c[1].Since != nil {
		t.Errorf("what nobody knows any more is %v", c[1].Since)
	}
}

// A node that is not heard while nobody leads is suspect, since nobody knows when.
func TestSinceWhenANodeIsSuspect(t *testing.T) {
	a := surrounded(t)
	s := a.server(t)
	if s.nodeList(a.state.View())[0].Since.IsZero() {
		t.Fatal("it is not said since when n1 is up")
	}
	a.leader, a.dead = "", map[string]bool{"n1": true}
	if n := s.nodeList(a.state.View())[0]; n.State != api.NodeSuspect || !n.Since.IsZero() {
		t.Errorf("%s since %v", n.State, n.Since)
	}
}

// Where one of the nodes that have a copy is not heard, nobody knows since when nothing is served.
func TestSinceWhenNobodyIsHeard(t *testing.T) {
	tb := newTable(t).publish(1).ready("n1", 1).ready("n2", 1).down("n1")
	s := New(Config{Consensus: &hearing{dead: map[string]bool{"n2": true}}, Now: func() time.Time { return tb.at }})
	if r := s.shape(tb.state.View()).render(tb.state.View().Repo("r"), firsthand{}); r.State != api.StateUnserved || r.Since != nil {
		t.Errorf("%s since %v", r.State, r.Since)
	}
}

// Of several that began at different times the first counts, until it ends.
func TestSinceWhenTheFirstBegan(t *testing.T) {
	b, at := begins{}, time.Unix(1e9, 0).UTC()
	if b.all() != (lasting{}) {
		t.Errorf("of none: %+v", b.all())
	}
	for i, d := range []time.Duration{5, 1, 3, 1} {
		b.add(at.Add(d*time.Hour), 1)
		if got := b.all().repos; got != i+1 {
			t.Errorf("%d of %d", got, i+1)
		}
	}
	for _, want := range []time.Duration{1, 1, 3, 5} {
		if got := b.all().since; !got.Equal(at.Add(want * time.Hour)) {
			t.Errorf("since %v, want %v", got, want)
		}
		b.add(at.Add(want*time.Hour), -1)
	}
}
