package fsm

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// What of submodules would go, and may not, goes by a person's word for what was shown: that, and nothing else.
func TestHeldSubmodulesAreApproved(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{asking("one"), asking("two")}, nil))
	var some []*command.Entry
	var paths []string
	for i := range 8 {
		e := submodule("one", fmt.Sprint("lib", i))
		some, paths = append(some, e), append(paths, e.Path)
	}
	m.ok(m.under("kernel", "one", &command.Submodules{}, some...))
	is := func() *SourceHold { return m.state.View().Hold(m.state.View().SourceByID("kernel")) }
	take := func(word []byte) *command.Listing {
		l := m.under("kernel", "one", &command.Submodules{})
		l.Take, l.Approved = paths, word
		return l
	}
	m.refused(refusal.SourceHeld, take(nil))
	m.refused(refusal.NotHeld, &command.ApproveSource{Id: "kernel", Digest: digest(3)})
	m.ok(m.under("kernel", "one", &command.Submodules{Done: true, Flaw: "8 would go", Hold: &command.SourceHold{Digest: digest(3), Lost: 8, First: paths}}))
	since := is().Since
	if h := is(); h.Lost != 8 || len(h.First) != 8 || h.Approved || string(h.Digest) == string(digest(3)) {
		t.Fatalf("%+v", h)
	}
	if !slices.Contains(m.eventTypes("kernel"), EventSourceHeld) {
		t.Errorf("%q", m.eventTypes("kernel"))
	}
	m.refused(refusal.SourceHeld, take(digest(3))) // nobody has said so
	m.refused(refusal.StaleHold, &command.ApproveSource{Id: "kernel", Digest: digest(3)})
	shown := is().Digest
	// Another is held beside it: what was shown is something else by now.
	m.ok(m.listed("kernel", &command.Listed{Generation: 1, Hold: &command.SourceHold{Digest: digest(4), Lost: 2, First: []string{"x"}}}))
	if h := is(); h.Lost != 10 || len(h.First) != 9 {
		t.Errorf("%+v", h)
	}
	m.refused(refusal.StaleHold, &command.ApproveSource{Id: "kernel", Digest: shown})
	m.ok(&command.ApproveSource{Id: "kernel", Digest: is().Digest})
	if h := is(); !h.Approved || !h.Since.Equal(since) || m.state.View().SourceByID("kernel").Approved != string(digest(4)) {
		t.Errorf("%+v", h)
	}
	// Its word is for these submodules, not for those of another, nor for what the source lists.
	other := m.listing("kernel", nil, []string{"one", "two"})
	other.Approved = digest(3)
	m.refused(refusal.SourceHeld, other)
	m.ok(take(digest(3)))
	if got := m.state.View().SourceByID("kernel").Lost(m.state.View().Now()); got != 0 {
		t.Errorf("%d count as lost", got)
	}
	m.ok(m.under("kernel", "one", &command.Submodules{Done: true, Read: digest(1)}))
	if c := m.state.View().ClaimOf(1, "one"); c.Held != nil || c.Approved != "" || is().Lost != 2 {
		t.Errorf("%+v, %+v", c, is())
	}
	// What is held is something else by now: the word is not for it.
	hold := func(n byte) {
		m.ok(m.under("kernel", "one", &command.Submodules{Done: true, Hold: &command.SourceHold{Digest: digest(n), Lost: 1}}))
	}
	hold(5)
	m.ok(&command.ApproveSource{Id: "kernel", Digest: is().Digest})
	hold(5)
	if c := m.state.View().ClaimOf(1, "one"); c.Approved == "" {
		t.Error("a word is forgotten")
	}
	hold(6)
	if is().Approved {
		t.Error("a word for something else counts")
	}
	hold(5)
	if is().Approved {
		t.Error("a word counts twice")
	}
	// All of it is let go, or it is not.
	m.ok(&command.ApproveSource{Id: "kernel", Digest: is().Digest})
	m.ok(m.listed("kernel", &command.Listed{Generation: 1, Hold: &command.SourceHold{Digest: digest(7), Lost: 2}}))
	if m.state.View().ClaimOf(1, "one").Approved == "" || is().Approved {
		t.Error("what nobody has let go counts as let go with the rest")
	}
	// It goes with what it hangs on.
	m.ok(m.listing("kernel", nil, []string{"one"}))
	m.ok(m.listed("kernel", &command.Listed{Generation: 2}))
	if is() != nil {
		t.Errorf("%+v", is())
	}
	m.refused(refusal.Invalid, m.under("kernel", "two", &command.Submodules{Done: true, Hold: &command.SourceHold{First: make([]string, 101)}}))
}

// account is another account of acme's forge, which a lists.
func account(name string) *command.PutSource {
	c := putForge(name)
	c.Source.Forge.Account = name
	return c
}

// What a forge has moved from one account to another keeps its mirror, where both are followed: whichever is listed
// first after it, nothing of it counts as lost once the other one has it.
func TestWhatIsMovedToAnotherAccount(t *testing.T) {
	m := forged(t)
	m.ok(account("tools"))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/one", "acme/one"), inForge("2", "acme/two", "acme/two"), inForge("3", "acme/three", "acme/three")}, nil))
	one := m.row("acme/one").ID
	m.ok(m.listing("tools", []*command.Entry{inForge("1", "tools/one", "tools/one")}, nil))
	row := m.row("tools/one")
	if row.ID != one || row.URLs()[0] != "https://h/tools/one" || m.row("acme/one").ID != one {
		t.Fatalf("%+v", row)
	}
	acme := func() *Source { return m.state.View().SourceByID("acme") }
	if !m.state.View().Elsewhere(acme(), "1") || m.state.View().Elsewhere(acme(), "2") {
		t.Error("it is not elsewhere")
	}
	m.ok(m.listing("acme", nil, []string{"1"}))
	if lost := acme().Lost(m.state.View().Now()); lost != 0 {
		t.Errorf("%d are lost", lost)
	}
	row = m.row("tools/one")
	m.isCalled(row, "tools/one", "h/tools/one", "acme/one", "h/acme/one")
	if row.ID != one || row.retired() {
		t.Errorf("%+v", row)
	}
	// At another forge it is another repository.
	c := account("elsewhere")
	c.Source.Forge.Base = "https://ghe.example"
	m.ok(c)
	m.ok(m.listing("elsewhere", []*command.Entry{inForge("2", "elsewhere/two", "elsewhere/two")}, nil))
	if m.row("elsewhere/two").ID == m.row("acme/two").ID {
		t.Error("numbers of two forges are taken for the same")
	}
	c = account("kind")
	c.Source.Forge.Kind = "gitea"
	m.ok(c)
	m.ok(m.listing("kind", []*command.Entry{inForge("2", "kind/two", "kind/two")}, nil))
	if m.row("kind/two").ID == m.row("acme/two").ID {
		t.Error("numbers of two kinds of forges are taken for the same")
	}
	m.ok(m.listing("acme", nil, []string{"2"}))
	if lost := acme().Lost(m.state.View().Now()); lost != 1 {
		t.Errorf("%d are lost", lost)
	}
	// What people want too stays where it is.
	m.ok(addRepos(proto.Clone(inForge("3", "acme/three", "acme/three").Repo).(*command.NewRepo)))
	three := m.row("acme/three").ID
	hand := newRepo("four")
	m.ok(addRepos(hand))
	m.ok(m.listing("acme", []*command.Entry{{Path: "4", File: "four", Hash: digest(1)[:16], Repo: newRepo("four")}}, nil))
	m.ok(m.listing("tools", []*command.Entry{inForge("4", "tools/four", "tools/four")}, nil))
	if m.row("tools/four").ID == "four" || m.state.View().Repo(three) == nil {
		t.Error("what people want follows an account")
	}
	// The number of another repository is no evidence: a forge that is set up anew gives it to what comes first.
	m.ok(m.listing("acme", []*command.Entry{inForge("5", "acme/five", "acme/five")}, nil))
	m.ok(m.listing("tools", []*command.Entry{inForge("5", "tools/new", "tools/new")}, nil))
	if five, other := m.row("acme/five"), m.row("tools/new"); five.ID == other.ID || five.URLs()[0] != "https://h/acme/five" || m.state.View().Elsewhere(acme(), "5") {
		t.Errorf("%+v %+v", five, other)
	}
	// Who lists the same account, or had the repository before, is no evidence that it is there and not here.
	m.ok(account("twin"))
	m.ok(m.listing("acme", []*command.Entry{inForge("6", "acme/six", "acme/six")}, nil))
	m.ok(m.listing("twin", []*command.Entry{inForge("6", "twin/six", "acme/six")}, nil))
	twin := m.state.View().SourceByID("twin")
	if m.state.View().Elsewhere(acme(), "6") || m.state.View().Elsewhere(twin, "6") {
		t.Error("what two sources list is taken for moved")
	}
	m.ok(m.listing("acme", nil, []string{"6"}))
	if lost := acme().Lost(m.state.View().Now()); lost != 2 {
		t.Errorf("%d are lost", lost)
	}
	m.ok(m.listing("tools", []*command.Entry{inForge("6", "tools/six", "tools/six")}, nil))
	if tools := m.state.View().SourceByID("tools"); !m.state.View().Elsewhere(twin, "6") || m.state.View().Elsewhere(tools, "6") {
		t.Error("it is not known which of them is younger")
	}
	// Two sources want one, which is renamed.
	m.ok(account("again"))
	m.ok(m.listing("again", []*command.Entry{inForge("1", "again/one", "tools/one")}, nil))
	m.ok(m.listing("tools", []*command.Entry{inForge("1", "tools/uno", "tools/uno")}, nil))
	m.ok(m.listing("again", []*command.Entry{inForge("1", "again/uno", "tools/uno")}, nil))
	if row := m.row("tools/uno"); row.ID != one || m.row("again/uno").ID != one || row.URLs()[0] != "https://h/tools/uno" {
		t.Errorf("%+v", row)
	}
	m.state.tables.sources.byID("tools").Removing = true // what it claims goes in batches
	if m.state.View().Elsewhere(twin, "6") {
		t.Error("it is elsewhere in a source that goes")
	}
	// Members that do not know that would not do it.
	m.state.tables.format = formatCourse - 1
	if m.state.tables.elsewhere(m.state.tables.sources.byID("again"), "1", func(*Source, *Claim) bool { return true }) != nil {
		t.Error("it is done while a member does not know it")
	}
}

// Where the account is listed first that has it no more, it is retired, and the other has it with its copies: found by the
// number that the forge gave it, of that forge alone, and called by the names it had too.
func TestWhatIsGoneFromAnAccountIsFoundInAnother(t *testing.T) {
	m := forged(t)
	m.ok(account("tools"))
	all := []*command.Entry{inForge("1", "acme/one", "acme/one"), inForge("2", "acme/two", "acme/two"), inForge("3", "acme/three", "acme/three"), inForge("4", "acme/four", "acme/four"), inForge("5", "acme/five", "acme/five")}
	m.ok(m.listing("acme", all, nil))
	id := map[string]string{}
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		id[name] = m.row("acme/" + name).ID
	}
	m.ok(publish(id["one"], 1))
	m.ok(m.listing("acme", nil, []string{"1"}))
	if !m.row("acme/one").retired() {
		t.Fatal("it is not retired")
	}
	again := newMachine(t) // whoever decides about the next has it from a snapshot
	if err := again.state.Restore(bytes.NewReader(m.snapshot())); err != nil {
		t.Fatal(err)
	}
	again.index, again.now = m.index, m.now
	m = again
	c := account("elsewhere")
	c.Source.Forge.Base = "https://ghe.example"
	m.ok(c)
	m.ok(m.listing("elsewhere", []*command.Entry{inForge("1", "elsewhere/one", "elsewhere/one")}, nil))
	if m.row("elsewhere/one").ID == id["one"] || !m.row("acme/one").retired() {
		t.Error("numbers of two forges are taken for the same")
	}
	m.ok(m.listing("tools", []*command.Entry{inForge("1", "tools/one", "tools/one")}, nil))
	row := m.row("tools/one")
	m.isCalled(row, "tools/one", "acme/one", "h/acme/one")
	if row.ID != id["one"] || row.retired() || row.URLs()[0] != "https://h/tools/one" || row.Estranged() == "" || row.Word() == 0 {
		t.Errorf("%+v", row)
	}
	if row.Sourced.had != (numbered{}) || m.state.tables.gone.Len() != 0 {
		t.Errorf("%+v is found as what is gone", row.Sourced)
	}
	// What was left out for a while, and has another name since.
	m.ok(m.listing("acme", nil, []string{"2"}))
	m.ok(m.listing("acme", []*command.Entry{inForge("2", "acme/zwei", "acme/zwei")}, nil))
	if m.row("acme/zwei").ID != id["two"] || m.row("acme/two").ID != id["two"] {
		t.Errorf("%+v", m.row("acme/zwei"))
	}
	// An address that is mirrored already stays where it is; so does what people have follow another.
	m.ok(m.listing("acme", nil, []string{"3"}))
	other := newRepo("other")
	other.Urls, other.UrlKeys = []string{"https://h/tools/three"}, []string{"h/tools/three"}
	m.ok(addRepos(other))
	m.ok(m.listing("tools", []*command.Entry{inForge("3", "tools/three", "tools/three")}, nil))
	if m.row("tools/three").ID != "other" || !m.row("acme/three").retired() {
		t.Errorf("%+v", m.row("tools/three"))
	}
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id["four"], Upstream: &command.Upstream{Urls: []string{"https://h/mine"}, Keys: []string{"h/mine"}}}}})
	m.ok(m.listing("acme", nil, []string{"4"}))
	m.ok(m.listing("tools", []*command.Entry{inForge("4", "tools/four", "tools/four")}, nil))
	if m.row("tools/four").ID == id["four"] {
		t.Errorf("%+v", m.row("tools/four"))
	}
	// So it is when a whole source goes.
	m.ok(&command.RemoveSource{Id: "acme"})
	m.ok(m.listing("tools", []*command.Entry{inForge("5", "tools/five", "tools/five")}, nil))
	if m.row("tools/five").ID != id["five"] {
		t.Errorf("%+v", m.row("tools/five"))
	}
}

// What a source wants by two of its entries stays where it is while one of them goes elsewhere.
func TestTwoEntriesOfOneRow(t *testing.T) {
	m := sourced(t)
	a, b := entryOf("one"), entryOf("one")
	b.Path, b.Repo.Id, b.Repo.Name = "also", "also", "upstream/also"
	m.ok(m.listing("kernel", []*command.Entry{a, b}, nil))
	id := m.row("upstream/one").ID
	if m.row("upstream/also").ID != id {
		t.Fatal("there are two rows")
	}
	moved := entryOf("two")
	moved.Path, moved.Repo.Name, moved.Alias, moved.Hash = "also", "upstream/also", "", digest(2)[:16]
	m.ok(m.listing("kernel", []*command.Entry{moved}, nil))
	if m.row("upstream/also").ID == id || m.row("upstream/one").ID != id || m.row("upstream/one").upstreamKeys()[0] != a.Repo.UrlKeys[0] {
		t.Errorf("%+v", m.row("upstream/one"))
	}
}

// A group of GitLab, and a group within it, have the same by two sources: that the one has it no more, whose listing is old,
// says nothing of where it went.
func TestAGroupWithinAnotherIsNoOtherAccount(t *testing.T) {
	m := forged(t)
	m.ok(account("G"))
	m.ok(m.listing("G", []*command.Entry{inForge("1", "g/one", "g/s/one")}, nil))
	m.ok(account("g/s"))
	m.ok(m.listing("g/s", []*command.Entry{inForge("1", "s/one", "g/s/one")}, nil))
	m.ok(m.listing("G", []*command.Entry{inForge("1", "g/one", "g/one")}, nil)) // moved; the other is not listed since
	group, within := m.state.View().SourceByID("G"), m.state.View().SourceByID("g/s")
	if m.state.View().Elsewhere(group, "1") || m.state.View().Elsewhere(within, "1") {
		t.Error("it is taken for that of another account")
	}
	m.ok(m.listing("G", nil, []string{"1"}))
	if lost := m.state.View().SourceByID("G").Lost(m.state.View().Now()); lost != 1 {
		t.Errorf("%d are lost", lost)
	}
	m.ok(m.listing("g/s", []*command.Entry{inForge("3", "s/three", "g/s/three")}, nil))
	m.ok(m.listing("G", []*command.Entry{inForge("2", "g/two", "g/two"), inForge("3", "g/three", "g/three")}, nil))
	if m.state.View().Elsewhere(within, "3") {
		t.Error("what is in a group is taken for that of another account")
	}
	m.ok(account("gs"))
	m.ok(m.listing("gs", []*command.Entry{inForge("1", "gs/one", "gs/one"), inForge("2", "gs/two", "gs/two")}, nil))
	if !m.state.View().Elsewhere(within, "1") || !m.state.View().Elsewhere(group, "2") {
		t.Error("one whose name begins alike is taken for a group of it")
	}
}

// What is held by a selection that is another by now is not what would go.
func TestWhatIsHeldByAnotherSelectionIsNotApproved(t *testing.T) {
	m := forged(t)
	m.ok(m.listed("acme", &command.Listed{Generation: 1, Hold: &command.SourceHold{Digest: digest(4), Lost: 9}}))
	m.ok(&command.SetSource{Id: "acme", Selection: &command.Selection{Match: "^x"}})
	m.refused(refusal.StaleHold, &command.ApproveSource{Id: "acme", Digest: digest(4)})
	m.ok(m.listed("acme", &command.Listed{Generation: 2, Revision: 1, Hold: &command.SourceHold{Digest: digest(5), Lost: 9}}))
	m.ok(&command.ApproveSource{Id: "acme", Digest: digest(5)})
	m.ok(m.listed("kernel", &command.Listed{Generation: 1, Ref: "main", Path: "l", Hold: &command.SourceHold{Digest: digest(4), Lost: 9}}))
	m.refused(refusal.StaleHold, &command.ApproveSource{Id: "kernel", Digest: digest(4)}) // which has neither
	m.ok(&command.SetSource{Id: "kernel", Ref: proto.String("main")})
	m.refused(refusal.StaleHold, &command.ApproveSource{Id: "kernel", Digest: digest(4)})
	m.ok(&command.SetSource{Id: "kernel", Ref: proto.String(""), Path: proto.String("l")})
	m.refused(refusal.StaleHold, &command.ApproveSource{Id: "kernel", Digest: digest(4)})
	m.ok(&command.SetSource{Id: "kernel", Ref: proto.String("main")})
	m.ok(&command.ApproveSource{Id: "kernel", Digest: digest(4)})
}

// What people have follow another url follows no listing, whichever account has it; nor does what they want too, beside which the account
// that says another address has its own.
func TestWhatPeopleHaveFollowsNoAccount(t *testing.T) {
	m, id := moved(t)
	again := inForge("5", "acme/x", "acme/x")
	m.ok(follows(id, "tools/x"))
	m.ok(m.listing("acme", []*command.Entry{again}, nil))
	if row := m.repo(id); row.URLs()[0] != "https://h/tools/x" || m.state.View().FollowsElsewhere(m.state.View().SourceByID("acme"), "5") {
		t.Errorf("%q", row.URLs())
	}
	m, id = moved(t)
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: id, Epoch: 1, Heard: m.repo(id).Word()}}})
	m.ok(addRepos(&command.NewRepo{Id: "new", Name: "hand/x", Urls: m.repo(id).URLs(), UrlKeys: m.repo(id).upstreamKeys()}))
	again.Repo.Id = "own"
	for range 2 {
		m.ok(m.listing("acme", []*command.Entry{again}, nil))
		own := m.row("acme/x")
		if row := m.repo(id); row.URLs()[0] != "https://h/tools/x" || own.ID == id || own.URLs()[0] != "https://h/acme/x" || m.row("tools/x").ID != id {
			t.Errorf("%q, %+v", row.URLs(), own)
		}
	}
	// Also where the other account has it no more before this one is listed.
	m, id = moved(t)
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: id, Epoch: 1, Heard: m.repo(id).Word()}}})
	m.ok(addRepos(&command.NewRepo{Id: "new", Name: "hand/x", Urls: m.repo(id).URLs(), UrlKeys: m.repo(id).upstreamKeys()}))
	m.ok(m.listing("tools", nil, []string{"5"}))
	m.ok(m.listing("acme", []*command.Entry{again}, nil))
	if own := m.row("acme/x"); own.ID == id || own.URLs()[0] != "https://h/acme/x" {
		t.Errorf("%+v", own)
	}
	m.ok(m.listing("tools", []*command.Entry{inForge("50", "tools/x", "tools/x")}, nil))
	if m.row("tools/x").ID != id {
		t.Errorf("%+v", m.row("tools/x"))
	}
	again.Repo.Id = "r5acme/x"
	m, id = moved(t)
	if m.ok(m.listing("acme", []*command.Entry{again}, nil)); m.repo(id).URLs()[0] != "https://h/acme/x" {
		t.Errorf("%q", m.repo(id).URLs())
	}
}
