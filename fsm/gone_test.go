package fsm

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/source"
)

// Of several that had a number the last that went is it, whatever else went meanwhile, at whatever moment; and only for
// what has no mirror yet.
func TestTheLastThatHadANumber(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		m := forged(t)
		list := func(src string, put []*command.Entry, take ...string) {
			t.Helper()
			m.ok(m.listing(src, put, take))
			if atOnce {
				m.now = m.now.Add(-time.Second)
			}
		}
		c := account("elsewhere")
		c.Source.Forge.Base = "https://ghe.example"
		m.ok(c)
		first, last := inForge("1", "acme/first", "acme/first"), inForge("5", "acme/last", "acme/last")
		first.Repo.Id, last.Repo.Id = "z", "a"
		if atOnce {
			first.Repo.Id, last.Repo.Id = "a", "z"
		}
		list("acme", []*command.Entry{first})
		list("acme", nil, "1")
		list("elsewhere", []*command.Entry{inForge("1", "elsewhere/one", "elsewhere/one")})
		list("elsewhere", nil, "1")
		list("acme", []*command.Entry{last})
		list("acme", []*command.Entry{inForge("1", "acme/last", "acme/last")})
		list("acme", nil, "5")
		list("acme", nil, "1")
		if n := m.state.tables.gone.Len(); n != 3 || !m.repo(first.Repo.Id).retired() || !m.repo(last.Repo.Id).retired() {
			t.Fatalf("%d are gone", n)
		}
		list("acme", []*command.Entry{inForge("1", "acme/back", "acme/back")})
		if row := m.row("acme/back"); row.ID != last.Repo.Id {
			t.Errorf("at once %v: %+v", atOnce, row)
		}
		// What people want too stays where it is, and what is new then is no other that had the number before.
		m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: last.Repo.Id, Epoch: 1, Heard: m.index}}})
		hand := proto.Clone(inForge("1", "hand", "acme/back").Repo).(*command.NewRepo)
		m.ok(addRepos(hand))
		list("acme", []*command.Entry{inForge("1", "acme/again", "acme/again")})
		if row := m.row("acme/again"); row.ID == first.Repo.Id || !m.repo(first.Repo.Id).retired() {
			t.Errorf("%+v", row)
		}
	}
}

// Another kind of forge has numbers of its own, and what hangs on a repository has none.
func TestWhatHasNoNumberThere(t *testing.T) {
	m := forged(t)
	one := inForge("1", "acme/one", "acme/one")
	one.Submodules = true
	m.ok(m.listing("acme", []*command.Entry{one, inForge("2", "acme/two", "acme/two")}, nil))
	lib := submodule("1", "lib")
	m.ok(m.under("acme", "1", &command.Submodules{}, lib))
	l := m.under("acme", "1", &command.Submodules{})
	l.Take = []string{source.Under("1", lib.Alias)}
	m.ok(l)
	if !m.repo("lib").retired() {
		t.Fatalf("%+v", m.repo("lib"))
	}
	lib.Repo = proto.Clone(newRepo("other")).(*command.NewRepo)
	lib.Alias, lib.Hash = lib.Repo.Name, digest(2)[:16]
	m.ok(m.under("acme", "1", &command.Submodules{}, lib))
	if !m.repo("lib").retired() || m.repo("other").retired() {
		t.Errorf("%+v", m.repo("lib"))
	}
	two := m.row("acme/two").ID
	m.ok(m.listing("acme", nil, []string{"2"}))
	c := account("kind")
	c.Source.Forge.Kind = "gitea"
	m.ok(c)
	m.ok(m.listing("kind", []*command.Entry{inForge("2", "kind/two", "kind/two")}, nil))
	if m.row("kind/two").ID == two {
		t.Error("numbers of two kinds of forges are taken for the same")
	}
}

// Members that do not know of it would not find it.
func TestWhatIsGoneAmongMembersOfBefore(t *testing.T) {
	m := forged(t)
	m.state.tables.format = formatCourse - 1
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "acme/one", "acme/one")}, nil))
	id := m.row("acme/one").ID
	m.ok(m.listing("acme", nil, []string{"1"}))
	if row := m.repo(id); !row.retired() || row.Sourced.had != (numbered{}) {
		t.Errorf("%+v", row.Sourced)
	}
}

// What a source wants in vain, since another has it by now, it does not get when it is the oldest that wants the row.
func TestAnotherUrlThatAnotherHasByNow(t *testing.T) {
	m := sourced(t)
	m.ok(putSource("other"))
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	more := entryOf("one")
	more.Repo.Name, more.Repo.Urls, more.Repo.UrlKeys = "other/one", append(more.Repo.Urls, "https://host/Acme/hand"), append(more.Repo.UrlKeys, "host/acme/hand")
	m.ok(m.listing("other", []*command.Entry{more}, nil))
	m.ok(addRepos(newRepo("hand")))
	m.ok(m.listing("kernel", nil, []string{"one"}))
	if row := m.repo("one"); len(row.URLs()) != 1 || m.state.View().RepoByURLKey("host/acme/hand").ID != "hand" {
		t.Errorf("%+v", row)
	}
}

// What would be listed is only tried: who is found by a number is found by it afterwards.
func TestAListingIsTriedOfWhatIsGone(t *testing.T) {
	m := forged(t)
	one := inForge("1", "acme/one", "acme/one")
	m.ok(m.listing("acme", []*command.Entry{one}, nil))
	m.ok(m.listing("acme", nil, []string{"1"}))
	if _, err := m.state.Try(m.listing("acme", []*command.Entry{one}, nil)); err != nil {
		t.Fatal(err)
	}
	if n := m.state.tables.gone.Len(); n != 1 {
		t.Errorf("%d are gone", n)
	}
}
