package fsm

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// putForge is a source that is a forge, and that a lists.
func putForge(name string) *command.PutSource {
	return &command.PutSource{Source: &command.NewSource{Id: name, Name: name, Owner: "a", Forge: &command.Forge{Kind: "github", Base: "https://github.com", Account: "acme", Selection: &command.Selection{SkipForks: true}}}}
}

// inForge is what a forge has under an id, by the name that it has there now.
func inForge(id, name, repo string) *command.Entry {
	r := newRepo(repo)
	r.Id, r.Name, r.Urls, r.UrlKeys = "r"+id+repo, name, []string{"https://h/" + repo}, []string{"h/" + repo}
	hash := sha256.Sum256([]byte(name + " " + repo))
	return &command.Entry{Path: id, File: repo, Hash: hash[:16], Repo: r, Alias: "h/" + repo}
}

// forged is a cluster with the forge acme.
func forged(t *testing.T) *machine {
	m := sourced(t)
	m.ok(putForge("acme"))
	return m
}

func TestOnlyTheOwnerOfAForgeLists(t *testing.T) {
	m := forged(t)
	late := m.listing("acme", []*command.Entry{inForge("1", "acme/one", "one")}, nil)
	late.Done = &command.Listed{Generation: 1}
	other := proto.Clone(late).(*command.Listing)
	other.Node = "b"
	m.refused(refusal.StaleEpoch, other)
	m.refused(refusal.StaleEpoch, &command.OwnSource{Id: "acme", Epoch: 7, Owner: "b"})
	m.refused(refusal.NotFound, &command.OwnSource{Id: "acme", Epoch: 1, Owner: "z"})
	m.refused(refusal.NotFound, &command.OwnSource{Id: "kernel", Epoch: 1, Owner: "b"})
	m.ok(&command.OwnSource{Id: "acme", Epoch: 1, Owner: "b"})
	m.refused(refusal.StaleEpoch, &command.OwnSource{Id: "acme", Epoch: 1, Owner: "c"})
	m.refused(refusal.StaleEpoch, late) // who was its owner has not heard of it
	m.ok(&command.OwnSource{Id: "acme", Epoch: 2, Owner: "a"})
	m.refused(refusal.StaleEpoch, late) // and has it again, and an earlier listing of its own is under way
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/one", "one")}, nil))
	if src := m.state.View().SourceByID("acme"); src.Epoch != 3 || m.state.View().ClaimsLen(src.Num) != 1 {
		t.Errorf("%+v", src)
	}
}

// What is renamed in a forge keeps its mirror, and is found by its former names while nobody else
// wants them.
func TestARenameKeepsTheMirror(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one"), inForge("2", "team/two", "two")}, nil))
	id := m.row("team/one").ID
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/uno", "uno")}, nil))
	row := m.row("team/uno")
	if row.ID != id || row.URLs()[0] != "https://h/uno" || m.row("team/one") != row || m.row("h/one") != row {
		t.Errorf("%+v", row)
	}
	m.isCalled(row, "team/uno", "h/uno", "team/one", "h/one")
	// It comes back.
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
	m.isCalled(m.row("team/one"), "team/one", "h/one", "team/uno", "h/uno")
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/uno", "uno")}, nil))
	// Another is called so now: by the forge …
	m.ok(m.listing("acme", []*command.Entry{inForge("3", "team/one", "one")}, nil))
	if other := m.row("team/one"); other.ID == id || m.row("h/one") != other {
		t.Errorf("%+v", other)
	}
	m.isCalled(m.row("team/uno"), "team/uno", "h/uno")
	// … and by hand.
	m.ok(m.listing("acme", []*command.Entry{inForge("2", "team/deux", "deux")}, nil))
	mine := newRepo("mine")
	mine.Name = "team/two"
	m.ok(addRepos(mine))
	if m.row("team/two").ID != "mine" {
		t.Errorf("%+v", m.row("team/two"))
	}
	m.isCalled(m.row("team/deux"), "team/deux", "h/deux", "h/two")
	// Names that are not former ones give way to nobody.
	m.refusedItem(refusal.ConflictName, m.listing("acme", []*command.Entry{inForge("4", "team/uno", "quatre")}, nil))
	// They are not remembered for ever.
	for i := range 30 {
		m.ok(m.listing("acme", []*command.Entry{inForge("1", fmt.Sprint("team/n", i), fmt.Sprint("n", i))}, nil))
	}
	if row := m.row("team/n29"); row.ID != id || len(row.Aliases) != 1+maxFormer || !slices.Contains(row.Aliases, "team/n28") {
		t.Errorf("%+v", row)
	}
}

func (m *machine) refusedItem(code refusal.Code, c *command.Listing) {
	m.t.Helper()
	if items := m.do(c).GetItems(); len(items) != 1 || items[0].GetCode() != string(code) {
		m.t.Errorf("%v, want %s", items, code)
	}
}

func TestWhenAForgeIsListed(t *testing.T) {
	m := forged(t)
	src := func() *Source { return m.state.View().SourceByID("acme") }
	due := func(what string, in time.Duration) {
		t.Helper()
		at, ever := src().NextListing(m.now)
		if want := m.now.Add(in); !ever || in == 0 && !at.IsZero() || in > 0 && !at.Equal(want) {
			t.Errorf("%s: at %s, %v; want %s", what, at, ever, want)
		}
	}
	due("a new one", 0)
	m.ok(m.listed("acme", &command.Listed{Error: "no", Tries: 1, RestMs: 60_000}))
	due("one that failed", time.Minute)
	m.ok(&command.SetSource{Id: "acme", Again: 1})
	due("one that is asked for", 0)
	m.ok(m.listed("acme", &command.Listed{Error: "limit", Tries: 2, RestMs: 120_000, Limited: true, Again: 1}))
	due("a limit", 2*time.Minute)
	m.ok(&command.SetSource{Id: "acme", Again: 2})
	if at, _ := src().NextListing(m.now); !at.Equal(src().FailedAt.Add(2 * time.Minute)) {
		t.Error("who asks is stronger than a limit")
	}
	m.ok(m.listed("acme", &command.Listed{Generation: 1, Again: 2}))
	if s := src(); s.Failed != nil || s.Error != "" {
		t.Errorf("%+v", s)
	}
	seen := map[time.Duration]bool{}
	for i := range 20 {
		m.ok(m.listed("acme", &command.Listed{Generation: uint64(i), Again: 2}))
		at, _ := src().NextListing(m.now)
		in := at.Sub(m.now)
		if seen[in] = true; in < 54*time.Minute || in > 66*time.Minute {
			t.Errorf("again in %s", in)
		}
	}
	if len(seen) < 10 {
		t.Errorf("they come in crowds: %v", seen)
	}
	m.ok(&command.SetSource{Id: "acme", Selection: &command.Selection{Match: "^x"}})
	due("another selection", 0)
	m.ok(m.listed("acme", &command.Listed{Generation: 30, Again: 2, Revision: src().Revision, Hold: &command.SourceHold{Digest: digest(4), Lost: 9}}))
	m.ok(&command.SetSource{Id: "acme", Selection: &command.Selection{Match: "^x"}}) // which it has
	if at, _ := src().NextListing(m.now); at.IsZero() {
		t.Error("the same selection is another one")
	}
	m.ok(&command.ApproveSource{Id: "acme", Digest: digest(4)})
	due("what was approved", 0)
	m.ok(&command.SetSource{Id: "acme", Paused: proto.Bool(true)})
	if _, ever := src().NextListing(m.now); ever {
		t.Error("what is paused is listed")
	}
	m.refused(refusal.SourceInvalid, &command.SetSource{Id: "acme", Ref: proto.String("main")})
	m.refused(refusal.SourceInvalid, &command.SetSource{Id: "kernel", Selection: &command.Selection{}})
}

// The guard is the same, whoever lists.
func TestAForgeIsGuarded(t *testing.T) {
	m := forged(t)
	var all []*command.Entry
	var gone []string
	for i := range 8 {
		all, gone = append(all, inForge(fmt.Sprint(i), fmt.Sprint("t/", i), fmt.Sprint("x", i))), append(gone, fmt.Sprint(i))
	}
	m.ok(m.listing("acme", all, nil))
	m.refused(refusal.SourceHeld, m.listing("acme", nil, gone[:5]))
	m.ok(m.listing("acme", nil, gone[:4]))
	m.refused(refusal.SourceHeld, m.listing("acme", nil, gone[4:5]))
	for m.do(&command.RemoveSource{Id: "acme"}).GetLeft() > 0 {
	}
	if m.state.View().SourceByID("acme") != nil || m.row("t/7").Sourced.RetiredAt().IsZero() {
		t.Error("it is not removed")
	}
}

func TestWhoMayListAForge(t *testing.T) {
	m := forged(t)
	names := func() (names []string) {
		v := m.state.View()
		list, with := v.Listers(v.SourceByID("acme"))
		for _, n := range list {
			names = append(names, n.Name)
		}
		if with {
			names = append(names, "with")
		}
		return names
	}
	if got := names(); len(got) != len(m.state.View().Nodes()) {
		t.Errorf("%v", got)
	}
	m.ok(&command.PutCredentials{Node: "b", Sources: []string{"ACME", "other"}})
	m.ok(setNode("b", command.NodeState_NODE_STATE_DOWN)) // it has it still
	if got := names(); !slices.Equal(got, []string{"node-b", "with"}) {
		t.Errorf("%v", got)
	}
	m.refused(refusal.Invalid, &command.PutCredentials{Node: "b", Sources: []string{"b", "a"}})
	m.refused(refusal.NotFound, &command.PutCredentials{Node: "z"})
	m.ok(&command.PutCredentials{Node: "b"})
	if got := names(); len(got) != len(m.state.View().Nodes()) {
		t.Errorf("%v", got)
	}
}

// A node says which credentials it was given and cannot use: nobody lists without what somebody was to list with.
func TestCredentialsThatCannotBeUsed(t *testing.T) {
	m := forged(t)
	list := func() (names []string, with bool) {
		v := m.state.View()
		nodes, with := v.Listers(v.SourceByID("acme"))
		for _, n := range nodes {
			names = append(names, n.ID)
		}
		return names, with
	}
	m.ok(&command.PutCredentials{Node: "b", Unusable: []*command.Unusable{{Source: "ACME", Why: "it is empty"}}})
	if names, with := list(); len(names) != 0 || !with {
		t.Errorf("%q, %v", names, with)
	}
	if why := m.state.View().NodeByID("b").CannotUse("acme"); why != "it is empty" {
		t.Errorf("%q", why)
	}
	m.ok(&command.PutCredentials{Node: "c", Sources: []string{"acme"}})
	if names, with := list(); !slices.Equal(names, []string{"c"}) || !with {
		t.Errorf("%q, %v", names, with)
	}
	m.ok(&command.PutCredentials{Node: "b"})
	m.ok(&command.PutCredentials{Node: "c"})
	if names, with := list(); len(names) != 3 || with {
		t.Errorf("%q, %v", names, with)
	}
	m.refused(refusal.Invalid, &command.PutCredentials{Node: "b", Unusable: []*command.Unusable{{Source: "a b", Why: "x"}}})
}

// Who has left lists no more, and what it had or could not use counts for nothing.
func TestANodeThatHasLeftListsNoForge(t *testing.T) {
	for what, c := range map[string]*command.PutCredentials{
		"it had one": {Node: "b", Sources: []string{"acme"}}, "it could not use one": {Node: "b", Unusable: []*command.Unusable{{Source: "acme", Why: "it is empty"}}}, "none was given": {Node: "b"},
	} {
		m := forged(t)
		m.ok(c)
		m.ok(setNode("b", command.NodeState_NODE_STATE_LEFT))
		v := m.state.View()
		list, with := v.Listers(v.SourceByID("acme"))
		var names []string
		for _, n := range list {
			names = append(names, n.ID)
		}
		if with || !slices.Equal(names, []string{"a", "c"}) {
			t.Errorf("%s: %q, %v", what, names, with)
		}
		m.ok(&command.PutCredentials{Node: "c", Sources: []string{"acme"}})
		if list, with = m.state.View().Listers(v.SourceByID("acme")); !with || len(list) != 1 || list[0].ID != "c" {
			t.Errorf("%s, and c has one: %d, %v", what, len(list), with)
		}
	}
}

// What was noted by a clock that was wrong is not waited for, whether it was a listing, a failure, or a limit.
func TestAForgeIsNotWaitedForByAWrongClock(t *testing.T) {
	for name, done := range map[string]*command.Listed{
		"listed":  {Generation: 1},
		"failed":  {Error: "no", Tries: 1, RestMs: 60_000},
		"limited": {Error: "limit", Tries: 1, RestMs: 60_000, Limited: true},
	} {
		m := forged(t)
		right := m.now
		m.now = right.Add(365 * 24 * time.Hour)
		m.ok(m.listed("acme", done))
		if at, ever := m.state.View().SourceByID("acme").NextListing(m.now); !ever || !at.After(m.now) {
			t.Errorf("%s: due at %s", name, at)
		}
		m.now = right
		m.ok(&command.Tick{})
		if at, ever := m.state.View().SourceByID("acme").NextListing(m.state.View().Now()); !ever || !at.IsZero() {
			t.Errorf("%s: due at %s, when it is %s", name, at, m.now)
		}
	}
}
