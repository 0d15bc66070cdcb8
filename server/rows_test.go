package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

// table is a state machine with nodes n1, n2 and n3, and a repo with copies on
// n1, its owner, and n2.
type table struct {
	t     *testing.T
	state *fsm.State
	index uint64
	at    time.Time
}

func newTable(t *testing.T) *table {
	tb := &table{t: t, state: fsm.New(), at: time.Unix(1e9, 0)}
	for _, n := range []string{"n1", "n2", "n3"} {
		tb.do(&command.PutNode{Node: &command.Node{Id: n, Name: n, Peer: n + ":1", Http: "http://" + n, Format: fsm.Format}})
	}
	tb.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: "r", Name: "r", Urls: []string{"https://h/r"}, UrlKeys: []string{"h/r"}, Copies: []string{"n1", "n2"}, Owner: "n1"}}})
	return tb
}

func (tb *table) do(msg proto.Message) *table {
	tb.t.Helper()
	data, err := fsm.Encode(msg, "", tb.at)
	if err != nil {
		tb.t.Fatal(err)
	}
	tb.index++
	r := tb.state.Apply(tb.index, data)
	if r.Err != nil {
		tb.t.Fatal(r.Err)
	}
	for _, code := range append([]string{r.Outcome.Code}, codes(r.Outcome.Items)...) {
		if code != "" {
			tb.t.Fatalf("%T: %v", msg, r.Outcome)
		}
	}
	return tb
}

func codes(items []*command.Item) (list []string) {
	for _, i := range items {
		list = append(list, i.Code)
	}
	return list
}

func (tb *table) publish(generation uint64) *table {
	return tb.do(&command.Publish{Repo: "r", Node: "n1", Epoch: 1, FromGeneration: generation - 1, Generation: generation, Complete: true,
		Candidate: fmt.Sprint("c", generation), Digest: make([]byte, 20), RefsDigest: make([]byte, 20), Refs: 1})
}

// retired has nobody want the row any more.
func (tb *table) retired() *table {
	tb.do(&command.RaiseFormat{Format: fsm.Format})
	tb.do(&command.PutSource{Source: &command.NewSource{Id: "f", Name: "acme", Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "acme"}}})
	tb.do(&command.Listing{Source: "f", Node: "n1", Epoch: 1, Put: []*command.Entry{{Path: "7", File: "acme/r", Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "new", Name: "acme/r", Urls: []string{"https://h/r"}, UrlKeys: []string{"h/r"}}}}})
	tb.do(&command.RemoveRepos{Ids: []string{"r"}})
	return tb.do(&command.Listing{Source: "f", Node: "n1", Epoch: 1, Take: []string{"7"}})
}

func (tb *table) ready(node string, generation uint64) *table {
	return tb.do(&command.Report{Node: node, Copies: []*command.CopyReport{{Repo: "r", State: command.CopyState_COPY_STATE_READY, Generation: generation}}})
}

func (tb *table) broken(node string) *table {
	return tb.do(&command.Report{Node: node, Copies: []*command.CopyReport{{Repo: "r", State: command.CopyState_COPY_STATE_BROKEN}}})
}

func (tb *table) down(node string) *table {
	return tb.do(&command.SetNodeState{Id: node, State: command.NodeState_NODE_STATE_DOWN})
}

func (tb *table) sick(node string) *table {
	return tb.do(&command.Report{Node: node, Condition: &command.NodeCondition{Sick: "its disk eats packs"}})
}

func (tb *table) health(class, hold string) *table {
	return tb.do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "r", Epoch: 1, ErrorClass: class, HoldReason: hold}}})
}

// later lets time pass, in which nothing is written.
func (tb *table) later(d time.Duration) *table {
	tb.at = tb.at.Add(d)
	return tb
}

func (tb *table) shape() shape {
	s := New(Config{Consensus: &hearing{led: true}, Now: func() time.Time { return tb.at }})
	return s.shape(tb.state.View())
}

// The state shown is the first of all that are true, and the reason names who
// has to be looked after.
func TestStatesOfARepo(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func(*table)
		states string // all that are true, in order
		reason string // a part of the first's
	}{
		{"added", func(tb *table) {}, "cloning", "from upstream"},
		{"its owner dies before the first clone", func(tb *table) { tb.down("n1") }, "pending", "no live node"},
		{"every disk is full", func(tb *table) {
			for _, n := range []string{"n1", "n2", "n3"} {
				tb.do(&command.Report{Node: n, Condition: &command.NodeCondition{Disk: fsm.DiskFull}})
			}
			tb.down("n1")
		}, "pending", "the disk of n2 is full, the disk of n3 is full"},
		{"the first clone fails", func(tb *table) { tb.health("auth", "") }, "failing cloning", "auth"},
		{"one copy of two", func(tb *table) { tb.publish(1) }, "copying", "1 of 2"},
		{"both", func(tb *table) { tb.publish(1).ready("n2", 1) }, "ready", ""},
		{"a replica follows in a moment", func(tb *table) { tb.publish(1).ready("n2", 1).publish(2) }, "ready", ""},
		{"a replica cannot follow", func(tb *table) { tb.publish(1).ready("n2", 1).publish(2).later(2 * time.Minute) }, "copying", "1 of 2 copies have generation 2; n2 has 1: it follows"},
		{"a replica cannot follow for its disk", func(tb *table) {
			tb.publish(1).ready("n2", 1).do(&command.Report{Node: "n2", Condition: &command.NodeCondition{Disk: fsm.DiskFull}})
			tb.publish(2).later(2 * time.Minute)
		}, "copying", "n2 has 1: its disk is full"},
		{"a copy breaks", func(tb *table) { tb.publish(1).ready("n2", 1).broken("n2") }, "copying", "1 of 2"},
		{"a node with a copy dies", func(tb *table) { tb.publish(1).ready("n2", 1).down("n2") }, "copying", "copy on n2 is down"},
		{"the owner dies with the newest", func(tb *table) { tb.publish(1).ready("n2", 1).publish(2).down("n1") }, "copying behind", "1 of 2"},
		{"the owner dies with the newest, and two are left", func(tb *table) {
			tb.publish(1).ready("n2", 1).do(&command.Place{Rows: []*command.Placement{{Repo: "r", RowVersion: tb.state.View().Repo("r").Version, Add: []string{"n3"}}}})
			tb.ready("n3", 1).publish(2).down("n1")
		}, "behind", "serves generation 1 of 2; the newest is on n1 (down)"},
		{"both die", func(tb *table) { tb.publish(1).ready("n2", 1).down("n1").down("n2") }, "unserved", "copy on n1 is down, copy on n2 is down"},
		{"the only copy breaks", func(tb *table) { tb.publish(1).broken("n1") }, "unserved", "no other node has a copy"},
		{"a sick node serves nothing", func(tb *table) { tb.publish(1).sick("n1") }, "unserved", "copy on n1 is out of service"},
		{"held", func(tb *table) { tb.publish(1).ready("n2", 1).health("", "empty") }, "held", "empty"},
		{"held and failing and short of a copy", func(tb *table) { tb.publish(1).health("network", "empty") }, "held failing copying", "empty"},
		{"unserved comes before all that waits", func(tb *table) { tb.publish(1).health("network", "empty").down("n1") }, "unserved held failing", "copy on n1 is down"},
		{"retired, of which a hold was left, and that was paused", func(tb *table) {
			tb.publish(1).ready("n2", 1).health("", "empty").retired()
			tb.do(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "r", Paused: proto.Bool(true)}}})
		}, "retired held paused", "goes to the trash on"},
		{"removed", func(tb *table) { tb.publish(1).do(&command.RemoveRepos{Ids: []string{"r"}}) }, "removing", "2 copies"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tb := newTable(t)
			c.make(tb)
			sh, row := tb.shape(), tb.state.View().Repo("r")
			var got []string
			for _, v := range sh.states(row) {
				got = append(got, v.state)
			}
			if strings.Join(got, " ") != c.states {
				t.Errorf("states %v, want %s", got, c.states)
			}
			if !slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(api.StateNames, a) - slices.Index(api.StateNames, b) }) {
				t.Errorf("%v are in another order than the documents have them: %v", got, api.StateNames)
			}
			state, reason := sh.state(row)
			if state != got[0] || !strings.Contains(reason, c.reason) {
				t.Errorf("shown as %s (%s), want the first, with %q", state, reason, c.reason)
			}
			if shown := sh.render(row, firsthand{}); len(shown.Also) != len(got)-1 || !slices.EqualFunc(shown.Also, got[1:], strings.HasPrefix) {
				t.Errorf("shown besides: %q, want %q", shown.Also, got[1:])
			}
			for _, s := range api.StateNames {
				if sh.in(row, s) != slices.Contains(got, s) {
					t.Errorf("a filter for %s finds it: %v", s, sh.in(row, s))
				}
			}
		})
	}
}

func TestBelowCountsWhatClientsGet(t *testing.T) {
	for name, c := range map[string]struct {
		make func(*table)
		want bool
	}{
		"both":                {func(tb *table) { tb.publish(1).ready("n2", 1) }, false},
		"one":                 {func(tb *table) { tb.publish(1) }, true},
		"one down":            {func(tb *table) { tb.publish(1).ready("n2", 1).down("n2") }, true},
		"one sick":            {func(tb *table) { tb.publish(1).ready("n2", 1).sick("n2") }, true},
		"one a moment behind": {func(tb *table) { tb.publish(1).ready("n2", 1).publish(2) }, false},
		"one minutes behind":  {func(tb *table) { tb.publish(1).ready("n2", 1).publish(2).later(2 * time.Minute) }, true},
		"nothing yet":         {func(tb *table) {}, false},
		"being undone":        {func(tb *table) { tb.publish(1).do(&command.RemoveRepos{Ids: []string{"r"}}) }, false},
	} {
		tb := newTable(t)
		c.make(tb)
		if got := tb.shape().below(tb.state.View().Repo("r")); got != c.want {
			t.Errorf("%s: below %v, want %v", name, got, c.want)
		}
	}
}

// A copy is shown as what clients get of it, and says the same as the row's reason.
func TestACopyThatIsAwayIsShownSo(t *testing.T) {
	tb := newTable(t).publish(1)
	tb.ready("n2", 1).sick("n1")
	tb.down("n2")
	sh := tb.shape()
	row := sh.render(tb.state.View().Repo("r"), firsthand{})
	for i, want := range []string{"out of service", "down"} {
		if row.Copies[i].State != "ready" || row.Copies[i].Away != want {
			t.Errorf("copy %d: %+v, want it %s", i, row.Copies[i], want)
		}
		if !strings.Contains(row.Reason, want) {
			t.Errorf("the reason %q does not say %q", row.Reason, want)
		}
	}
	tb = newTable(t).publish(1).ready("n2", 1)
	for _, c := range tb.shape().render(tb.state.View().Repo("r"), firsthand{}).Copies {
		if c.Away != "" {
			t.Errorf("%+v is away", c)
		}
	}
}

// A row that has no place yet says whether it waits for others, or for somebody to do something.
func TestWhyARowHasNoPlace(t *testing.T) {
	tb := newTable(t).do(&command.AddRepos{Repos: []*command.NewRepo{{Id: "q", Name: "q", Urls: []string{"https://h/q"}, UrlKeys: []string{"h/q"}}}})
	is := func(want string) {
		t.Helper()
		if state, reason := tb.shape().state(tb.state.View().Repo("q")); state != "pending" || reason != want {
			t.Errorf("%s: %q, want %q", state, reason, want)
		}
	}
	is("it waits for its turn: the nodes have others' copies to make")
	tb.do(&command.Report{Node: "n1", Condition: &command.NodeCondition{Disk: fsm.DiskLow}}).sick("n2")
	is("it waits for its turn: the nodes have others' copies to make") // n3 can have it
	tb.do(&command.SetNodeDrain{Id: "n3", Draining: true})
	is("no live node owns it: the disk of n1 is low, the copies on n2 are out of service, n3 is draining")
	tb.down("n1").down("n2").do(&command.SetNodeDrain{Id: "n3"})
	is("it waits for its turn: the nodes have others' copies to make")
}

// A copy that clients get and that lacks what is published is not shown like one that has it.
func TestACopyThatIsBehindIsShownSo(t *testing.T) {
	tb := newTable(t).publish(1).ready("n2", 1).publish(2)
	behind := func(want ...string) {
		t.Helper()
		for i, c := range tb.shape().render(tb.state.View().Repo("r"), firsthand{}).Copies {
			if c.Behind != want[i] || c.State != "ready" {
				t.Errorf("%+v, want it behind: %q", c, want[i])
			}
		}
	}
	behind("", "it follows")
	for disk, want := range map[string]string{fsm.DiskFull: "its disk is full", fsm.DiskFailing: "its disk is failing", fsm.DiskLow: "it follows"} {
		tb.do(&command.Report{Node: "n2", Condition: &command.NodeCondition{Disk: disk}})
		behind("", want)
	}
	tb.ready("n2", 2)
	behind("", "")
}

// What is served is as new as the owner says only where clients get what it has published.
func TestHowNewWhatIsServedIs(t *testing.T) {
	tb := newTable(t).publish(1).ready("n1", 1).ready("n2", 1)
	asOf := func() *time.Time {
		return tb.shape().render(tb.state.View().Repo("r"), firsthand{owner: &peer.Live{AsOf: tb.at}}).AsOf
	}
	if got := asOf(); got == nil || !got.Equal(tb.at) {
		t.Errorf("as of %v", got)
	}
	if tb.publish(2).ready("n1", 2); asOf() == nil {
		t.Error("the owner serves it")
	}
	if tb.sick("n1"); asOf() != nil {
		t.Errorf("as of %v, which nobody serves", asOf())
	}
}

// What a source alone wants is not led away from it without a word of how to keep it.
func TestWhatIsListedAndHasMoved(t *testing.T) {
	tb := newTable(t).do(&command.RaiseFormat{Format: fsm.Format})
	tb.do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "r", Epoch: 1, MovedFrom: "https://h/r", MovedTo: "https://new/r"}}})
	line := func() string { return follow(moved{1, tb.state.View().Repo("r")}).Command }
	if got := line(); got != "gitmirror repo set r --url https://new/r" {
		t.Errorf("%q", got)
	}
	tb.do(&command.PutSource{Source: &command.NewSource{Id: "a", Name: "a", Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "a"}}})
	tb.do(&command.Listing{Source: "a", Node: "n1", Epoch: 1, Put: []*command.Entry{{Path: "7", File: "a/r", Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "new", Name: "a/r", Urls: []string{"https://h/r"}, UrlKeys: []string{"h/r"}}}}})
	if got := line(); got != "gitmirror repo set r --url https://new/r" {
		t.Errorf("%q", got)
	}
	tb.do(&command.RemoveRepos{Ids: []string{"r"}})
	if got := line(); got != "gitmirror repo show a/r" {
		t.Errorf("%q", got)
	}
}

// An index that its owner cannot read says so.
func TestAnIndexThatCannotBeRead(t *testing.T) {
	tb := newTable(t).do(&command.RaiseFormat{Format: fsm.Format})
	tb.do(&command.PutSource{Source: &command.NewSource{Id: "i", Name: "i", Index: &command.NewRepo{Id: "new", Name: "h/r", Urls: []string{"https://h/r"}, UrlKeys: []string{"h/r"}}}})
	tb.publish(1)
	reason := func() string {
		view := tb.state.View()
		_, reason := sourceState(view, view.SourceByID("i"), view.Repo("r"))
		return reason
	}
	if got := reason(); got != "it is about to be listed" {
		t.Errorf("%q", got)
	}
	if tb.sick("n1"); !strings.Contains(reason(), "n1 owns its index, and cannot read its copies") {
		t.Errorf("%q", reason())
	}
	if tb.down("n1"); !strings.Contains(reason(), "n1 owns its index") {
		t.Errorf("%q", reason())
	}
}

// Where an upstream is by its own word is shown, as it is written.
func TestWhereAnUpstreamIsIsShown(t *testing.T) {
	tb := newTable(t).do(&command.RaiseFormat{Format: fsm.Format})
	tb.do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "r", Epoch: 1, MovedFrom: "https://h/r", MovedTo: "https://new/r"}}})
	view := tb.state.View()
	shown := shape{view: view, now: tb.at}.render(view.Repo("r"), firsthand{})
	if m := shown.Moved; m == nil || m.From != "https://h/r" || m.To != "https://new/r" || !m.Since.Equal(tb.at) {
		t.Errorf("%+v", m)
	}
}

// Of two people who remove a node, the second hears that it was removed, and when.
func TestANodeThatWasRemovedIsSaidToBe(t *testing.T) {
	tb := newTable(t).publish(1).ready("n2", 1).down("n3").do(&command.RemoveNode{Id: "n3"})
	s := New(Config{Consensus: &hearing{led: true}, State: tb.state, Now: func() time.Time { return tb.at }})
	if err := s.missing("node", "N3"); !errors.Is(err, refusal.NotFound) || !strings.HasSuffix(err.Detail, "any more: it was removed at 2001-09-09T01:46:40Z") {
		t.Errorf("%v", err)
	}
	for what, name := range map[string]string{"node": "n4", "repo": "n3"} {
		if err := s.missing(what, name); !errors.Is(err, refusal.NotFound) || strings.Contains(err.Detail, "removed") {
			t.Errorf("%v", err)
		}
	}
}
