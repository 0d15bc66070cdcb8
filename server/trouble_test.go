package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// What of sources is counted is what is told.
func TestCountsOfSources(t *testing.T) {
	tb := newTable(t)
	tb.do(&command.RaiseFormat{Format: fsm.Format})
	s := New(Config{Self: "n1", State: tb.state, Consensus: &surroundings{contact: tb.at}, Now: func() time.Time { return tb.at }})
	for _, name := range []string{"a", "b", "c"} {
		tb.do(&command.PutSource{Source: &command.NewSource{Id: name, Name: name, Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: name}}})
	}
	tb.do(&command.Listing{Source: "a", Node: "n1", Epoch: 1, Done: &command.Listed{Generation: 1, FlawsTotal: 2, Hold: &command.SourceHold{Digest: make([]byte, 20), Lost: 1}},
		Put: []*command.Entry{{Path: "7", File: "a/r", Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "new", Name: "a/r", Urls: []string{"https://h/new"}, UrlKeys: []string{"h/new"}}}}})
	tb.do(&command.Listing{Source: "b", Node: "n1", Epoch: 1, Done: &command.Listed{Error: "it answers 502", Tries: 1, RestMs: 60_000}})
	tb.do(&command.SetSource{Id: "c", Paused: proto.Bool(true)})
	want := []SourceCounts{{"a", 1, 2, true, false, tb.at}, {"b", 0, 0, false, true, time.Time{}}, {"c", 0, 0, false, false, time.Time{}}}
	if got := s.Counts().Sources; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

// What of sources somebody should look at is told in a line for each, the worst first.
func TestWhatOfSourcesIsToBeLookedAt(t *testing.T) {
	b := &forgeTable{t: t, state: fsm.New(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.do(&command.FoundCluster{ClusterId: "c", Format: fsm.Format})
	b.do(&command.PutNode{Node: &command.Node{Id: "n1", Name: "n1", Format: fsm.Format}})
	add := func(name string) {
		b.do(&command.PutSource{Source: &command.NewSource{Id: name, Name: name, Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: name}}})
	}
	listed := func(name string, l *command.Listed, put ...*command.Entry) {
		b.do(&command.Listing{Source: name, Node: "n1", Epoch: 1, Put: put, Done: l})
	}
	is := func(want ...string) {
		t.Helper()
		var got []string
		for _, a := range troubledSources(b.state.View()) {
			got = append(got, a.Message+" > "+a.Command)
		}
		if !slices.Equal(got, want) {
			t.Errorf("it tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	add("a")
	is()
	listed("a", &command.Listed{Generation: 1, Flaws: []*command.Flaw{{File: "a/x", Why: "no"}}, FlawsTotal: 1})
	is("the source a is listed with 1 error > gitmirror source show a")
	// What of submodules cannot be followed is among them.
	listed("a", &command.Listed{Generation: 2, Flaws: []*command.Flaw{{File: "a/x", Why: "no"}}, FlawsTotal: 1},
		&command.Entry{Path: "7", File: "a/r", Submodules: true, Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "r", Name: "a/r", Urls: []string{"https://h/r"}, UrlKeys: []string{"h/r"}, Owner: "n1", Copies: []string{"n1"}}})
	b.do(&command.Listing{Source: "a", Node: "n1", Epoch: 1, Submodules: &command.Submodules{Of: "7", Done: true, Read: []byte("x"), Flaw: "no"}})
	is("the source a is listed with 2 errors > gitmirror source show a")
	// Of one that is held, or cannot be listed, that is what is told.
	hold := &command.SourceHold{Digest: make([]byte, 20), Lost: 1}
	listed("a", &command.Listed{Generation: 3, FlawsTotal: 1, Hold: hold})
	is("the source a is held: it would take away 1 of 1 > gitmirror source show a")
	b.do(&command.ApproveSource{Id: "a", Digest: make([]byte, 20)})
	is("the source a is listed with 2 errors > gitmirror source show a")
	listed("a", &command.Listed{Error: "it answers 502", Tries: 1, RestMs: 60_000})
	is("the source a cannot be listed: it answers 502 > gitmirror source show a")
	// A person knows of one that is paused.
	b.do(&command.SetSource{Id: "a", Paused: proto.Bool(true)})
	is()
	b.do(&command.SetSource{Id: "a", Paused: proto.Bool(false)})
	// However many have errors, those that are worse are seen.
	for i := range 7 {
		add(fmt.Sprint("b", i))
		listed(fmt.Sprint("b", i), &command.Listed{Generation: 1, FlawsTotal: 1000})
	}
	add("c")
	listed("c", &command.Listed{Generation: 1, FlawsTotal: 1, Hold: hold})
	is("the source a cannot be listed: it answers 502 > gitmirror source show a",
		"the source c is held: it would take away 1 of 0 > gitmirror source show c",
		"the source b0 is listed with 1,000 errors > gitmirror source show b0",
		"the source b1 is listed with 1,000 errors > gitmirror source show b1",
		"the source b2 is listed with 1,000 errors > gitmirror source show b2",
		"4 more sources held, not listed, or listed with errors > gitmirror source ls")
}

// What went before counts with what would go, for a day.
func TestAHoldAfterEarlierLosses(t *testing.T) {
	b := &forgeTable{t: t, state: fsm.New(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.do(&command.FoundCluster{ClusterId: "c", Format: fsm.Format})
	b.do(&command.PutNode{Node: &command.Node{Id: "n1", Name: "n1", Format: fsm.Format}})
	b.do(&command.PutSource{Source: &command.NewSource{Id: "a", Name: "a", Owner: "n1", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "a"}}})
	list := &command.Listing{Source: "a", Node: "n1", Epoch: 1}
	for i := range 17 {
		n := fmt.Sprint("r", i)
		list.Put = append(list.Put, &command.Entry{Path: n, File: "a/" + n, Hash: make([]byte, 16), Repo: &command.NewRepo{Id: n, Name: "a/" + n, Urls: []string{"https://h/" + n}, UrlKeys: []string{"h/" + n}}})
	}
	b.do(list)
	b.do(&command.Listing{Source: "a", Node: "n1", Epoch: 1, Take: []string{"r0", "r1", "r2", "r3"}})
	b.do(&command.Listing{Source: "a", Node: "n1", Epoch: 1, Done: &command.Listed{Generation: 1, Hold: &command.SourceHold{Digest: make([]byte, 20), Lost: 3}}})
	is := func(earlier int, want string) {
		t.Helper()
		v := b.state.View()
		list := troubledSources(v)
		if hold := sourceOf(v, v.SourceByName("a")).Hold; len(list) != 1 || list[0].Message != want || hold.Earlier != earlier {
			t.Errorf("%+v, %+v", list, hold)
		}
	}
	is(4, "the source a is held: it would take away 3 of 13, besides 4 that went within the last 24 hours")
	b.now = b.now.Add(25 * time.Hour)
	b.do(&command.Tick{})
	is(0, "the source a is held: it would take away 3 of 13")
}
