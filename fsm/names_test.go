package fsm

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func alsoCalled(repo string, names ...string) *command.ChangeRepos {
	return changing(&command.RepoChange{Repo: repo, Aliases: &command.Aliases{Names: names}})
}

// Other names that people give a row of a source leave it the name that its source gives it, whatever that is later, and go
// when they take them away.
func TestOtherNamesThatPeopleGive(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/one", "acme/one")}, nil))
	id := m.row("acme/one").ID
	is := func(names ...string) {
		t.Helper()
		m.isCalled(m.repo(id), names...)
	}
	m.ok(alsoCalled(id, "my/one"))
	is("acme/one", "h/acme/one", "my/one")
	m.ok(alsoCalled(id, "my/one", "my/uno"))
	is("acme/one", "h/acme/one", "my/one", "my/uno")
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/two", "acme/two")}, nil))
	is("acme/two", "h/acme/two", "my/one", "my/uno", "acme/one", "h/acme/one")
	again := New()
	if err := again.Restore(bytes.NewReader(m.snapshot())); err != nil {
		t.Fatal(err)
	}
	m.state = again
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/six", "acme/six")}, nil))
	is("acme/six", "h/acme/six", "my/one", "my/uno", "acme/two", "h/acme/two", "acme/one", "h/acme/one")
	m.ok(alsoCalled(id))
	is("acme/six", "h/acme/six", "acme/two", "h/acme/two", "acme/one", "h/acme/one")
	if m.repo(id).Sourced.Besides {
		t.Error("it has other names, and none")
	}
	m.ok(m.listing("acme", []*command.Entry{inForge("2", "my/one", "acme/other")}, nil))
	// What people call it stays its name.
	m.ok(changing(&command.RepoChange{Repo: id, Name: proto.String("my/own"), Aliases: &command.Aliases{Names: []string{"my/two"}}}))
	is("my/own", "my/two", "acme/six", "h/acme/six", "acme/two", "h/acme/two", "acme/one", "h/acme/one")
	m.ok(alsoCalled(id))
	is("my/own", "acme/six", "h/acme/six", "acme/two", "h/acme/two", "acme/one", "h/acme/one")
}

// Who gives a row the name again that its source gives it has it called so as long as the source does.
func TestANameIsGivenBack(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("b", "b")}, nil))
	b := m.row("upstream/b").ID
	m.ok(changing(&command.RepoChange{Repo: b, Name: proto.String("my/n")}))
	m.ok(changing(&command.RepoChange{Repo: b, Name: proto.String("upstream/b"), Aliases: &command.Aliases{}}))
	m.isCalled(m.repo(b), "upstream/b", "h/b")
	renamed := at("d", "b")
	renamed.From = "b"
	m.ok(m.listing("kernel", []*command.Entry{renamed, at("b", "c")}, nil))
	m.isCalled(m.repo(b), "upstream/d", "h/b")
	if m.row("upstream/b").ID == b {
		t.Error("it keeps a name that is another's")
	}
	// But what people want too is called as they say.
	m.ok(byHand("mine", "e"))
	m.ok(m.listing("kernel", []*command.Entry{at("e", "e")}, nil))
	m.ok(changing(&command.RepoChange{Repo: "mine", Name: proto.String("upstream/e")}))
	renamed = at("f", "e")
	renamed.From = "e"
	m.ok(m.listing("kernel", []*command.Entry{renamed}, nil))
	m.isCalled(m.repo("mine"), "upstream/e", "hand/mine", "upstream/f", "h/e")
}

// So does what they call it first, or add it as, when it has other names of theirs.
func TestANameBesideOthersOfPeople(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/one", "acme/one"), inForge("2", "acme/two", "acme/two")}, nil))
	one, two := m.row("acme/one").ID, m.row("acme/two").ID
	m.ok(alsoCalled(one, "my/one"))
	m.ok(alsoCalled(two, "my/two"))
	m.ok(changing(&command.RepoChange{Repo: one, Name: proto.String("my/own")}))
	m.ok(addRepos(&command.NewRepo{Id: "new", Name: "hand/two", Urls: m.repo(two).URLs(), UrlKeys: m.repo(two).upstreamKeys()}))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/uno", "acme/uno"), inForge("2", "acme/due", "acme/two")}, nil))
	m.isCalled(m.repo(one), "my/own", "my/one", "acme/uno", "h/acme/uno", "acme/one", "h/acme/one")
	m.isCalled(m.repo(two), "hand/two", "my/two", "acme/due", "h/acme/two", "acme/two")
	// One that says an address of theirs goes with that.
	m.ok(m.listing("acme", []*command.Entry{inForge("3", "acme/three", "acme/three")}, nil))
	three := m.row("acme/three").ID
	m.ok(follows(three, "b"))
	m.ok(alsoCalled(three, "h/b", "my/three"))
	m.isCalled(m.repo(three), "acme/three", "h/b", "my/three")
	m.ok(follows(three, "c"))
	m.isCalled(m.repo(three), "acme/three", "my/three")
}

// Who adds what a source lists is told where it would have more names than it can: none is lost without a word.
func TestWhatIsAddedHasRoomForItsNames(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	row := m.row("upstream/one")
	var names []string
	for i := range MaxAliases - 1 {
		names = append(names, fmt.Sprintf("my/%d", i))
	}
	m.ok(alsoCalled(row.ID, names...))
	full := m.repo(row.ID)
	add := newRepo("one")
	add.Id, add.Name = "new", "hand/added"
	items := m.do(addRepos(add)).GetItems()
	if len(items) != 1 || items[0].GetCode() != string(refusal.Invalid) || m.repo(row.ID) != full {
		t.Errorf("%v", items)
	}
	m.ok(alsoCalled(row.ID, names[1:]...))
	m.ok(addRepos(add))
	for _, name := range append(names[1:], append([]string{full.Name, "hand/added"}, full.Aliases[0])...) {
		if is := m.state.View().RepoByName(name); is == nil || is.ID != row.ID {
			t.Errorf("it is not called %s", name)
		}
	}
}

// What says an address that has more than ASCII, or is no name of a host, goes with that as any other does.
func TestANameOfAnyAddressGoesWithIt(t *testing.T) {
	for key, name := range map[string]string{"h/a/u%c3%89a": "h/a/uÉa", "h:8080/ü": "h+8080/ü", "[2001:db8::1]:80/x": "2001-db8--1+80/x", "h/a/B.c": "H/A/b.C"} {
		m := sourced(t)
		r := newRepo("one")
		r.Name, r.Urls, r.UrlKeys = "hand/u", []string{"https://" + key}, []string{key}
		m.ok(addRepos(r))
		m.ok(publish("one", 1))
		m.ok(alsoCalled("one", name, "hand/other"))
		m.ok(changing(&command.RepoChange{Repo: "one", Upstream: &command.Upstream{Urls: []string{"https://h/two"}, Keys: []string{"h/two"}}}))
		m.isCalled(m.repo("one"), "hand/u", "hand/other")
	}
}

// What serves another's content is not called as what is at its address, whatever people change of it meanwhile.
func TestWhatServesAnothersIsNotCalledAsItsAddress(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a"), at("p", "p")}, nil))
	a, p := m.row("upstream/a").ID, m.row("upstream/p").ID
	m.ok(publish(a, 1))
	m.ok(publish(p, 1))
	m.ok(m.listing("kernel", []*command.Entry{at("a", "b")}, nil))
	m.isCalled(m.repo(a), "upstream/a")
	m.ok(alsoCalled(a, "my/x"))
	m.isCalled(m.repo(a), "upstream/a", "my/x")
	m.ok(changing(&command.RepoChange{Repo: a, Name: proto.String("my/m")}))
	m.isCalled(m.repo(a), "my/m", "my/x", "upstream/a")
	// Nor when people have it follow what its source says, and it has still what they had it follow before.
	m.ok(follows(p, "q"))
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: p, Epoch: 1, Heard: m.repo(p).Word()}}})
	if m.repo(p).Estranged() != "" {
		t.Fatalf("%+v", m.repo(p))
	}
	m.ok(follows(p, "p"))
	m.isCalled(m.repo(p), "upstream/p")
}

// A row has room for the names of an entry that is only called otherwise, or that it does not follow.
func TestRoomForNamesOfWhatIsThere(t *testing.T) {
	m := sourced(t)
	m.ok(putSource("others"))
	m.ok(m.listing("kernel", []*command.Entry{at("a", "a"), at("b", "b")}, nil))
	a, b := m.row("upstream/a").ID, m.row("upstream/b").ID
	fill := func(id, prefix string, n int) {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("%s/%d", prefix, i))
		}
		m.ok(alsoCalled(id, names...))
	}
	fill(a, "my", MaxAliases-1)
	renamed := at("aa", "a")
	renamed.From = "a"
	m.ok(m.listing("kernel", []*command.Entry{renamed}, nil))
	if m.row("upstream/aa").ID != a || m.state.View().RepoByName("upstream/a") != nil {
		t.Errorf("%+v", m.repo(a))
	}
	m.ok(follows(b, "z"))
	fill(b, "his", MaxAliases)
	other := at("b", "c")
	other.Alias = "h/c"
	m.ok(m.listing("kernel", []*command.Entry{other}, nil))
	if m.row("upstream/b").ID != b || m.repo(b).URLs()[0] != "https://h/z" {
		t.Errorf("%+v", m.repo(b))
	}
}
