package fsm

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// at is an entry of an index that wants those addresses.
func at(path string, urls ...string) *command.Entry {
	e := inForge(path, "upstream/"+path, urls[0])
	e.Repo.Urls, e.Repo.UrlKeys = nil, nil
	for i, u := range urls {
		e.Repo.Urls, e.Repo.UrlKeys = append(e.Repo.Urls, "https://h/"+u), append(e.Repo.UrlKeys, "h/"+u)
		e.Hash[i] += u[0] + byte(i+1)
	}
	return e
}

// byHand is what people ask for.
func byHand(id string, urls ...string) *command.AddRepos {
	r := at("x", urls...).Repo
	r.Id, r.Name = id, "hand/"+id
	return addRepos(r)
}

// moved is a forge with the repository 5, whose row has that id, moved from acme/x to tools/x: both accounts list it.
func moved(t *testing.T) (m *machine, id string) {
	m = forged(t)
	m.ok(account("tools"))
	m.ok(m.listing("acme", []*command.Entry{inForge("5", "acme/x", "acme/x")}, nil))
	id = m.row("acme/x").ID
	m.ok(publish(id, 1))
	m.ok(m.listing("tools", []*command.Entry{inForge("5", "tools/x", "tools/x")}, nil))
	return m, id
}

// What a forge has moved to another account, and back before the first was listed, follows the first again as soon as the
// other has it no more; and what is new at that address there has its own.
func TestWhatIsMovedAndBack(t *testing.T) {
	m, id := moved(t)
	fork := inForge("50", "tools/x2", "tools/x")
	m.refusedItem(refusal.ConflictURL, m.listing("tools", []*command.Entry{fork}, nil))
	m.ok(m.listing("tools", nil, []string{"5"}))
	if row := m.repo(id); row.URLs()[0] != "https://h/acme/x" || row.Estranged() != "" {
		t.Errorf("%q, of %q", row.URLs(), row.Estranged())
	}
	m.ok(m.listing("tools", []*command.Entry{fork}, nil))
	if row := m.row("tools/x2"); row.ID == id {
		t.Errorf("%+v", row)
	}
}

// A listing of which something is held, or kept, does not say of all that is claimed that it is there.
func TestWhichListingsSayWhatIsThere(t *testing.T) {
	m := forged(t)
	settled := func() uint64 { return m.state.View().SourceByID("acme").Settled }
	m.ok(m.listed("acme", &command.Listed{Generation: 1}))
	was := settled()
	m.ok(m.listed("acme", &command.Listed{Generation: 2, Kept: 3}))
	m.ok(m.listed("acme", &command.Listed{Generation: 3, Hold: &command.SourceHold{Digest: digest(4), Lost: 9}}))
	m.ok(m.listed("acme", &command.Listed{Error: "no"}))
	if settled() != was {
		t.Errorf("%d, was %d", settled(), was)
	}
	if m.ok(m.listed("acme", &command.Listed{Generation: 4})); was == 0 || settled() <= was {
		t.Errorf("%d, was %d", settled(), was)
	}
}

// What three accounts have had goes, when the last has it no more, to where the last of the others said that it is.
func TestWhatThreeAccountsHaveHad(t *testing.T) {
	m, id := moved(t)
	m.ok(account("third"))
	m.ok(m.listing("third", []*command.Entry{inForge("5", "third/x", "third/x")}, nil))
	if row := m.repo(id); row.URLs()[0] != "https://h/third/x" {
		t.Fatalf("%q", row.URLs())
	}
	m.ok(m.listing("third", nil, []string{"5"}))
	if row := m.repo(id); row.URLs()[0] != "https://h/tools/x" {
		t.Errorf("%q", row.URLs())
	}
}

// What is new at the address of what both accounts list is another repository, though that is proved to be there.
func TestWhatIsNewWhereAnotherWasMoved(t *testing.T) {
	m, id := moved(t)
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: id, Epoch: 1, Heard: m.repo(id).Word()}}})
	if row := m.repo(id); row.Estranged() != "" || row.URLs()[0] != "https://h/tools/x" {
		t.Fatalf("%+v", row)
	}
	m.refusedItem(refusal.ConflictURL, m.listing("tools", []*command.Entry{inForge("50", "tools/x2", "tools/x")}, nil))
}

// What people have followed another address follows what its source says once they let it go; where another has that, its
// entry is taken up anew, and so is one that shared the row with it.
func TestWhatPeopleLetGo(t *testing.T) {
	m := sourced(t)
	m.ok(putSource("others"))
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a"), at("b", "b"), at("c", "c")}, nil))
	a, b, c := m.row("upstream/a").ID, m.row("upstream/b").ID, m.row("upstream/c").ID
	for _, id := range []string{a, b, c} {
		m.ok(publish(id, 1))
		m.ok(addRepos(&command.NewRepo{Id: "n", Name: "mine/" + id, Urls: m.repo(id).URLs(), UrlKeys: m.repo(id).upstreamKeys()}))
		m.ok(follows(id, "my-"+id))
	}
	if m.do(m.listing("others", []*command.Entry{at("e", "b")}, nil)); m.state.View().RepoByURLKey("h/b") == nil {
		t.Fatal("nothing has it")
	}
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: c, Epoch: 1, Heard: m.repo(c).Word()}}})
	m.ok(m.listing("others", []*command.Entry{at("d", "my-"+c)}, nil))
	m.ok(&command.RemoveRepos{Ids: []string{a, b, c}})
	view := m.state.View()
	again := func(path string) bool { return view.ClaimOf(view.SourceByID("kernel").Num, path).Hash == [16]byte{} }
	if row := m.repo(a); row.URLs()[0] != "https://h/a" || row.Estranged() != "" || again("a") {
		t.Errorf("%+v, %q", row, row.URLs())
	}
	if !again("b") || !again("c") || view.SourceByID("kernel").Again != 2 {
		t.Errorf("b is taken up anew: %v, c: %v, %d", again("b"), again("c"), view.SourceByID("kernel").Again)
	}
}

// People have what nobody wanted any more again by the address that it was of, and take from that what it has besides.
func TestPeopleHaveWhatWasRetired(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a", "b"), at("c", "c", "d"), at("e", "e")}, nil))
	a, c := m.row("upstream/a").ID, m.row("upstream/c").ID
	m.ok(publish(a, 1))
	m.ok(publish(c, 1))
	m.ok(m.listing("kernel", nil, []string{"a", "c"}))
	m.ok(m.listing("kernel", []*command.Entry{at("e", "e", "a")}, nil)) // a has given its address away, with all others
	m.ok(m.listing("kernel", []*command.Entry{at("e", "e")}, nil))
	m.ok(byHand("mine", "a"))
	if row := m.row("hand/mine"); row.ID != a || row.Estranged() != "" || row.retired() {
		t.Errorf("%+v", row)
	}
	m.ok(byHand("other", "d"))
	if row := m.row("hand/other"); row.ID == c || slices.Contains(m.repo(c).upstreamKeys(), "h/d") || m.repo(c).Origin() != "h/c" {
		t.Errorf("%+v, %q", row, m.repo(c).URLs())
	}
	m.ok(follows("other", "c"))
	if m.state.View().RepoByURLKey("h/c").ID != "other" || m.repo(c).Origin() != "h/c" {
		t.Errorf("%q", m.repo(c).URLs())
	}
}

// Who adds what a source has, by a name that a retired row has, takes that.
func TestAddedByTheNameOfWhatIsRetired(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a"), at("b", "b")}, nil))
	a, b := m.row("upstream/a").ID, m.row("upstream/b").ID
	m.ok(m.listing("kernel", nil, []string{"b"}))
	r := at("x", "a").Repo
	r.Name = "upstream/b"
	m.ok(addRepos(r))
	if m.row("upstream/b").ID != a || m.repo(b).Name == "upstream/b" {
		t.Errorf("%+v", m.repo(b))
	}
}

// An address that a new row is about to have is not taken by the one that its entry leaves.
func TestAnAddressThatANewRowHas(t *testing.T) {
	m := sourced(t)
	m.ok(putSource("others"))
	m.ok(m.listing("kernel", []*command.Entry{at("1", "e")}, nil))
	m.ok(m.listing("others", []*command.Entry{at("2", "e", "a")}, nil))
	m.ok(m.listing("kernel", []*command.Entry{at("1", "a")}, nil))
	one, two := m.row("upstream/1"), m.row("upstream/2")
	if one.ID == two.ID || !slices.Equal(two.upstreamKeys(), []string{"h/e"}) || m.state.View().RepoByURLKey("h/a") != one {
		t.Errorf("%q, %q", one.upstreamKeys(), two.upstreamKeys())
	}
}

// What is another repository of the forge, at the address of one that is gone, is looked at at once; but not what another
// account has too.
func TestAnotherRepositoryAtAnAddress(t *testing.T) {
	m := forged(t)
	m.ok(account("tools"))
	m.ok(m.listing("acme", []*command.Entry{inForge("9", "acme/x", "x"), inForge("1", "acme/y", "y")}, nil))
	x, y := m.row("acme/x").ID, m.row("acme/y").ID
	m.ok(publish(x, 1))
	m.ok(publish(y, 1))
	heard := func(id string) {
		m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: id, Epoch: 1, Heard: m.repo(id).Word()}}})
	}
	again := inForge("81", "acme/x", "x")
	again.Hash = digest(7)[:16]
	m.ok(m.listing("acme", []*command.Entry{again}, nil))
	m.ok(m.listing("acme", nil, []string{"9"}))
	if row := m.repo(x); row.Word() == 0 || row.Estranged() != "" || m.row("acme/x").ID != x {
		t.Errorf("%+v", row)
	}
	if heard(x); m.repo(x).Word() != 0 {
		t.Errorf("%+v", m.repo(x))
	}
	m.ok(m.listing("acme", nil, []string{"81", "1"}))
	third := inForge("82", "acme/x", "x")
	m.ok(m.listing("acme", []*command.Entry{third, inForge("1", "acme/y", "y")}, nil))
	m.ok(m.listing("tools", []*command.Entry{inForge("82", "tools/x", "x"), inForge("1", "tools/y", "y")}, nil))
	if m.repo(x).Word() == 0 || m.repo(y).Word() != 0 {
		t.Errorf("%d, %d", m.repo(x).Word(), m.repo(y).Word())
	}
	// What an index has too stays at its address, where another is by now.
	m.ok(m.listing("kernel", []*command.Entry{at("y", "y")}, nil))
	m.ok(m.listing("tools", nil, []string{"1"}))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/y2", "y2")}, nil))
	if row := m.row("upstream/y"); row.ID != y || row.Word() != 0 || m.row("acme/y2").ID == y {
		t.Errorf("%+v", row)
	}
	if m.ok(m.listing("acme", []*command.Entry{inForge("11", "acme/y", "y")}, nil)); m.row("acme/y").ID != y || m.repo(y).Word() == 0 {
		t.Errorf("%+v", m.repo(y))
	}
	// So of what is known by a forge of another kind, which may be the same.
	z := inForge("2", "acme/z", "z")
	m.ok(m.listing("acme", []*command.Entry{z}, nil))
	m.ok(publish(m.row("acme/z").ID, 1))
	kind := account("kind")
	kind.Source.Forge.Kind = "gitea"
	m.ok(kind)
	if m.ok(m.listing("kind", []*command.Entry{inForge("7", "kind/z", "z")}, nil)); m.row("kind/z").Word() == 0 {
		t.Errorf("%+v", m.row("kind/z"))
	}
}

// Of what a forge has moved to another account, where something new is at its address: once the other has it no more, it is
// listed again by the first, which alone says where it is.
func TestWhatItWasMovedWithIsGone(t *testing.T) {
	m, id := moved(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("50", "acme/x2", "acme/x")}, nil))
	again := m.state.View().SourceByID("acme").Again
	m.ok(m.listing("tools", nil, []string{"5"}))
	view := m.state.View()
	acme := view.SourceByID("acme")
	if c := view.ClaimOf(acme.Num, "5"); c.Repo != id || c.Hash != [16]byte{} || acme.Again != again+1 {
		t.Errorf("%+v, %d", c, acme.Again)
	}
	if c := view.ClaimOf(acme.Num, "50"); c.Repo == id || c.Hash == [16]byte{} {
		t.Errorf("%+v", c)
	}
}

// A name is left by a claim only where its row is called so, and by that alone.
func TestWhoLeavesAName(t *testing.T) {
	m := sourced(t)
	m.ok(putSource("others"))
	m.ok(addRepos(&command.NewRepo{Id: "hand", Name: "hand/x", Urls: []string{"https://h/x"}, UrlKeys: []string{"h/x"}}))
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a"), at("b", "b")}, nil))
	also := at("also", "b")
	also.Repo.Name = "upstream/b"
	m.ok(m.listing("others", []*command.Entry{also}, nil))
	for path, names := range map[string]map[string]bool{
		"a": {"upstream/a": true, "upstream/A": true, "upstream/b": false, "hand/x": false, "nobody/x": false},
		"b": {"upstream/b": false}, // the other calls it so too
	} {
		for name, leaves := range names {
			called := m.state.tables.claims.get(m.state.View().SourceByID("kernel").Num, path).edit()
			called.Name = name
			if leaves || path == "b" {
				called = m.state.tables.claims.get(m.state.View().SourceByID("kernel").Num, path)
			}
			if got := m.state.tables.leavesName(called, name); got != leaves {
				t.Errorf("%s leaves %s: %v", path, name, got)
			}
		}
	}
	if m.state.tables.leavesName(nil, "upstream/a") {
		t.Error("nothing leaves a name")
	}
}

// What hangs on an entry and shares its row, which people had follow that, is where its own address says, whenever the entry goes
// elsewhere, though another source wants the row too.
func TestASubmoduleOnTheRowOfWhatNamesIt(t *testing.T) {
	for _, early := range []bool{false, true} {
		m := sourced(t)
		m.ok(putSource("others"))
		app := func(url string) *command.Entry {
			e := at("app", url)
			e.Submodules = true
			return e
		}
		m.ok(m.listing("kernel", []*command.Entry{app("a")}, nil))
		m.ok(publish(m.row("upstream/app").ID, 1))
		sub := submodule("app", "b")
		sub.Repo.Urls, sub.Repo.UrlKeys = []string{"https://h/b"}, []string{"h/b"}
		m.ok(m.under("kernel", "app", &command.Submodules{Done: true, Read: []byte("1")}, sub))
		b := m.state.View().RepoByURLKey("h/b").ID
		m.ok(publish(b, 1))
		m.ok(byHand("x", "b"))
		m.ok(follows(b, "d"))
		m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: b, Epoch: 1, Heard: m.repo(b).Word()}}})
		m.ok(m.listing("kernel", []*command.Entry{app("d")}, nil))
		m.ok(m.under("kernel", "app", &command.Submodules{Done: true, Read: []byte("2")}))
		m.ok(m.listing("others", []*command.Entry{at("y", "d")}, nil))
		if !early {
			m.ok(&command.RemoveRepos{Ids: []string{b}})
			kernel := m.state.View().SourceByID("kernel").Num
			if c := m.state.View().ClaimOf(kernel, sub.Path); c.Hash != [16]byte{} || m.state.View().ClaimOf(kernel, "app").SubmodulesRead != "" {
				t.Errorf("%+v is not read again", c)
			}
		}
		if out := m.do(m.listing("kernel", []*command.Entry{app("e")}, nil)); out.GetItems()[0].GetCode() != "" {
			t.Errorf("%v", out)
		}
		if early {
			m.ok(&command.RemoveRepos{Ids: []string{b}})
		}
		view := m.state.View()
		if c := view.ClaimOf(view.SourceByID("kernel").Num, "app"); c.Repo == b || view.RepoByURLKey("h/e").ID != c.Repo {
			t.Errorf("%+v", c)
		}
		if c := view.ClaimOf(view.SourceByID("kernel").Num, sub.Path); c.Hash != [16]byte{} {
			t.Errorf("%+v is not read again", c)
		}
	}
}

// Entries of one index that share a row, because people had it follow the address of one of them, are each where it says, once
// people let it go.
func TestWhatPeopleLetGoOfTwoEntries(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a")}, nil))
	a := m.row("upstream/a").ID
	m.ok(publish(a, 1))
	m.ok(byHand("x", "a"))
	m.ok(follows(a, "b"))
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: a, Epoch: 1, Heard: m.repo(a).Word()}}})
	m.ok(m.listing("kernel", []*command.Entry{at("b", "b")}, nil))
	if m.row("upstream/b").ID != a {
		t.Fatal("they share none")
	}
	m.ok(&command.RemoveRepos{Ids: []string{a}})
	kernel := m.state.View().SourceByID("kernel")
	if c := m.state.View().ClaimOf(kernel.Num, "a"); c.Hash != [16]byte{} || kernel.Again == 0 {
		t.Errorf("%+v", c)
	}
	again := at("a", "a")
	again.Repo.Id = "again"
	m.ok(m.listing("kernel", []*command.Entry{again}, nil))
	if one, two := m.row("upstream/a"), m.row("upstream/b"); one.ID == a || two.ID != a || one.URLs()[0] != "https://h/a" {
		t.Errorf("%+v, %+v", one, two)
	}
}

// What people had follow another address, and nobody wanted any more, follows what its source says once it is listed again, be it
// under another path, or that somebody else has that address by then.
func TestWhatPeopleSetEndsWithIt(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("b", "b"), at("d", "d"), at("z", "z")}, nil))
	b, d := m.row("upstream/b").ID, m.row("upstream/d").ID
	m.ok(publish(b, 1))
	m.ok(publish(d, 1))
	m.ok(follows(b, "my-b"))
	m.ok(follows(d, "my-d"))
	m.ok(m.listing("kernel", nil, []string{"b", "d"}))
	m.ok(byHand("q", "my-d"))
	m.ok(m.listing("kernel", []*command.Entry{at("k", "b"), at("d", "d")}, nil))
	if row := m.row("upstream/k"); row.ID != b || row.URLs()[0] != "https://h/b" {
		t.Errorf("%+v, %q", row, row.URLs())
	}
	if row := m.row("upstream/d"); row.ID != d || row.URLs()[0] != "https://h/d" || row.Estranged() != "" {
		t.Errorf("%+v, %q", row, row.URLs())
	}
	m.ok(m.listing("kernel", []*command.Entry{at("k", "b2"), at("d", "d2")}, nil))
	if one, two := m.repo(b), m.repo(d); one.URLs()[0] != "https://h/b2" || two.URLs()[0] != "https://h/d2" {
		t.Errorf("%q, %q", one.URLs(), two.URLs())
	}
}

// People give what a forge has a further address, beside its own: what is renamed there goes along, with that; and what is new at
// its address is another.
func TestAFurtherAddressByHandGoesAlong(t *testing.T) {
	for further := range 2 {
		m := forged(t)
		m.ok(m.listing("acme", []*command.Entry{inForge("8", "acme/x", "x")}, nil))
		id := m.row("acme/x").ID
		m.ok(publish(id, 1))
		urls, keys := []string{"https://h/x", "https://h/further"}, []string{"h/x", "h/further"}
		m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: urls[:1+further], Keys: keys[:1+further]}}}})
		m.ok(m.listing("acme", []*command.Entry{inForge("8", "acme/y", "y")}, nil))
		m.ok(m.listing("acme", []*command.Entry{inForge("108", "acme/x", "x")}, nil))
		keys[0] = "h/y"
		if row := m.row("acme/y"); row.ID != id || !slices.Equal(row.upstreamKeys(), keys[:1+further]) || row.Estranged() != "h/x" {
			t.Errorf("%+v, %q", row, row.upstreamKeys())
		}
		if row := m.row("acme/x"); row.ID == id || row.upstreamKeys()[0] != "h/x" {
			t.Errorf("%+v", row)
		}
		// Another one is theirs, whatever is renamed.
		m.ok(follows(id, "mine"))
		m.ok(m.listing("acme", []*command.Entry{inForge("8", "acme/z", "z")}, nil))
		if row := m.repo(id); row.Name != "acme/z" || row.upstreamKeys()[0] != "h/mine" {
			t.Errorf("%+v, %q", row, row.upstreamKeys())
		}
	}
}

// What people want too stays at the address that what is renamed had, and is looked at when another is listed there.
func TestAnotherRepositoryWherePeopleHaveOne(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/x", "x")}, nil))
	id := m.row("acme/x").ID
	m.ok(publish(id, 1))
	m.ok(byHand("mine", "x"))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/y", "y")}, nil))
	if row := m.repo(id); row.Word() != 0 || m.row("acme/y").ID == id {
		t.Fatalf("%+v", row)
	}
	m.ok(m.listing("acme", []*command.Entry{inForge("102", "acme/x", "x")}, nil))
	if row := m.row("acme/x"); row.ID != id || row.Word() == 0 || row.Estranged() != "" {
		t.Errorf("%+v", row)
	}
	// So it is where that was listed elsewhere before.
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: id, Epoch: 1, Heard: m.repo(id).Word()}}})
	m.ok(m.listing("acme", []*command.Entry{inForge("103", "acme/z", "z")}, []string{"102"}))
	m.ok(m.listing("acme", []*command.Entry{inForge("103", "acme/x", "x")}, nil))
	if row := m.row("acme/x"); row.ID != id || row.Word() == 0 {
		t.Errorf("%+v", row)
	}
}

// Two sources of one account: what one of them lists at another address, since the account has another name, is not elsewhere by
// what the other has still.
func TestOneAccountTwice(t *testing.T) {
	m := forged(t)
	twin := putForge("twin")
	twin.Source.Forge.Account = "ACME"
	m.ok(twin)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/x", "acme/x")}, nil))
	m.ok(m.listing("twin", []*command.Entry{inForge("1", "twin/x", "acme/x")}, nil))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "new/x", "new/x")}, nil))
	if m.state.View().Elsewhere(m.state.View().SourceByID("acme"), "1") || m.state.View().Elsewhere(m.state.View().SourceByID("twin"), "1") {
		t.Error("it is elsewhere")
	}
}

// What people have follow an address is not called as that is where others are called so already.
func TestAnAddressByHandTakesNoName(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/x", "x")}, nil))
	id := m.row("acme/x").ID
	m.ok(follows(id, "mine"))
	m.ok(addRepos(&command.NewRepo{Id: "hand", Name: "h/x", Urls: []string{"https://h/else"}, UrlKeys: []string{"h/else"}}))
	m.ok(follows(id, "x"))
	if row := m.repo(id); row.Name != "acme/x" || len(row.Aliases) != 0 || m.row("h/x").ID != "hand" {
		t.Errorf("%+v", row)
	}
}

// Who shares a row that people had follow its address has its own again when it is listed with another.
func TestWhoIsListedElsewhereLeavesWhatPeopleSet(t *testing.T) {
	m := sourced(t)
	m.ok(putSource("others"))
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a")}, nil))
	a := m.row("upstream/a").ID
	m.ok(publish(a, 1))
	m.ok(follows(a, "w"))
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: a, Epoch: 1, Heard: m.repo(a).Word()}}})
	m.ok(m.listing("others", []*command.Entry{at("x", "w")}, nil))
	if m.row("upstream/x").ID != a {
		t.Fatal("they share none")
	}
	m.ok(m.listing("others", []*command.Entry{at("x", "k")}, nil))
	if one, two := m.row("upstream/a"), m.row("upstream/x"); one.ID != a || one.upstreamKeys()[0] != "h/w" || two.ID == a || two.upstreamKeys()[0] != "h/k" {
		t.Errorf("%+v, %+v", one, two)
	}
}

// A source that goes takes all its claims along, also of what it lists twice, and nothing of them is left.
func TestASourceGoesThatListsSomethingTwice(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("a", "x"), asking("app")}, nil))
	sub := submodule("app", "lib")
	sub.Repo.Urls, sub.Repo.UrlKeys = []string{"https://h/x"}, []string{"h/x"}
	m.ok(m.under("kernel", "app", &command.Submodules{}, sub))
	m.ok(m.listing("kernel", []*command.Entry{at("b", "x")}, nil))
	x := m.row("upstream/a").ID
	m.ok(publish(x, 1))
	m.ok(&command.RemoveSource{Id: "kernel"})
	if err := soundSources(m.state.View()); err != nil || !m.repo(x).retired() || len(m.state.View().ClaimsOn(x)) != 0 {
		t.Errorf("%v, %+v", err, m.repo(x).Sourced)
	}
	m.ok(&command.RemoveRepos{Ids: []string{x}})
}

// What is retired, or people have taken, is not called as its address was once it has another; nor are names people's that nobody gave.
func TestNamesOfAnAddressGoWithIt(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/x", "x"), inForge("3", "acme/z", "z")}, nil))
	x, z := m.row("acme/x").ID, m.row("acme/z").ID
	called := func(id, name string) {
		m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Name: &name}}})
	}
	m.ok(m.listing("acme", nil, []string{"1"}))
	called(x, "mine/x") // while it is retired
	m.isCalled(m.repo(x), "mine/x", "h/x", "acme/x")
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/x", "x")}, nil))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/x2", "x2")}, nil))
	m.isCalled(m.repo(x), "mine/x", "acme/x2", "h/x2", "acme/x", "h/x")
	called(x, "my/x") // what it was called before is not people's
	m.ok(m.listing("acme", []*command.Entry{inForge("11", "acme/x", "x")}, nil))
	m.isCalled(m.repo(x), "my/x", "mine/x", "acme/x2", "h/x2")
	if m.row("acme/x").ID == x || m.row("h/x").ID == x {
		t.Error("what is new there is not called so")
	}
	m.ok(addRepos(&command.NewRepo{Id: "q", Name: "q", Urls: []string{"https://h/q"}, UrlKeys: []string{"h/q"}}))
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "q", Aliases: &command.Aliases{Names: []string{"h/q", "also/q"}}}}})
	m.ok(follows("q", "else"))
	m.isCalled(m.repo("q"), "q", "also/q")
	m.ok(addRepos(&command.NewRepo{Id: "n", Name: "mine/z", Urls: m.repo(z).URLs(), UrlKeys: m.repo(z).upstreamKeys()}))
	m.ok(follows(z, "else-z"))
	m.isCalled(m.repo(z), "mine/z", "acme/z")
}

// What people call something stays, also what they called it while it was retired, or before they added it; and what a claim calls it
// does, although it is called as an address that it has no more.
func TestNamesOfPeopleStay(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a"), at("b", "b")}, nil))
	a, b := m.row("upstream/a").ID, m.row("upstream/b").ID
	changes := func(c *command.RepoChange) { m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{c}}) }
	m.ok(m.listing("kernel", nil, []string{"a"}))
	changes(&command.RepoChange{Repo: a, Aliases: &command.Aliases{Names: append(slices.Clone(m.repo(a).Aliases), "hand/q")}})
	other := at("a", "a")
	m.ok(m.listing("kernel", []*command.Entry{other}, nil))
	m.isCalled(m.repo(a), "upstream/a", "h/a", "hand/q")
	name := "hand/f"
	changes(&command.RepoChange{Repo: b, Name: &name})
	m.ok(byHand("z", "b"))
	m.isCalled(m.repo(b), "hand/z", "hand/f", "upstream/b", "h/b")
	as := at("c", "c")
	as.Repo.Name = "h/c"
	m.ok(m.listing("kernel", []*command.Entry{as}, nil))
	c := m.row("h/c").ID
	changes(&command.RepoChange{Repo: c, Name: proto.String("hand/c")})
	m.ok(follows(c, "else"))
	m.isCalled(m.repo(c), "hand/c", "h/c")
}

// What has given up its address is found by what that says it was, and keeps that: it is nobody else's.
func TestWhatOnlySaysWhatItWas(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a"), at("z", "z")}, nil))
	a := m.row("upstream/a").ID
	m.ok(publish(a, 1))
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a2")}, nil))
	m.ok(m.listing("kernel", nil, []string{"a"}))
	m.ok(byHand("q", "a2"))
	row := m.repo(a)
	if !row.hasYielded() || row.Estranged() != "h/a" {
		t.Fatalf("%+v, %q", row, row.URLs())
	}
	was := row.upstreamKeys()[0]
	further := at("z", "z").Repo
	further.Urls, further.UrlKeys = append(further.Urls, row.URLs()[0]), append(further.UrlKeys, was)
	m.refusedItem(refusal.ConflictURL, m.listing("kernel", []*command.Entry{{Path: "z", File: "z", Hash: digest(9)[:16], Repo: further}}, nil))
	m.ok(addRepos(&command.NewRepo{Id: "n", Name: "mine", Urls: row.URLs(), UrlKeys: row.upstreamKeys()}))
	if row := m.row("mine"); row.ID != a || row.upstreamKeys()[0] != was || row.Estranged() != "h/a" {
		t.Errorf("%+v, %q", row, row.URLs())
	}
}
