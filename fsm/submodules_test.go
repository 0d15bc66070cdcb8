package fsm

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// under is a batch of the submodules of a claim, from the node that owns its row.
func (m *machine) under(src, of string, sub *command.Submodules, put ...*command.Entry) *command.Listing {
	m.t.Helper()
	v := m.state.View()
	row := v.Repo(v.ClaimOf(v.SourceByID(src).Num, of).Repo)
	sub.Of = of
	return &command.Listing{Source: src, Node: v.Node(row.Owner).ID, Epoch: row.Epoch, Submodules: sub, Put: put}
}

// submodule wants the repo of a name, as a submodule of what has that path.
func submodule(of, name string) *command.Entry {
	e := entryOf(name)
	e.Repo.Name = e.Alias
	e.Path, e.Submodules = source.Under(of, e.Alias), true
	return e
}

// asking is an entry whose submodules are wanted too.
func asking(path string) *command.Entry {
	e := entryOf(path)
	e.Submodules = true
	return e
}

func TestSubmodulesHangOnWhatNamesThem(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{asking("one"), entryOf("two")}, nil))
	m.ok(m.under("kernel", "one", &command.Submodules{}, submodule("one", "lib")))
	lib := m.row("host/Acme/lib")
	m.isCalled(lib, "host/Acme/lib")
	below := source.Under("one", "host/Acme/lib")
	m.ok(m.under("kernel", below, &command.Submodules{}, submodule(below, "deep")))
	deep := m.row("host/Acme/deep").ID
	// Who does not own it lists nothing of it.
	l := m.under("kernel", "one", &command.Submodules{})
	l.Take = []string{below}
	l.Epoch++
	m.refused(refusal.StaleEpoch, l)
	l = m.under("kernel", "one", &command.Submodules{}, submodule("one", "lib"))
	l.Submodules.Of = "two"
	m.refused(refusal.NotFound, l)
	l.Submodules.Of = "nothing"
	m.refused(refusal.NotFound, l)
	// With all that hangs on it, it goes: each is a loss.
	lost := m.state.View().SourceByID("kernel").Lost(m.state.View().Now())
	m.ok(m.listing("kernel", nil, []string{"one"}))
	if got := m.state.View().SourceByID("kernel").Lost(m.state.View().Now()); got != lost+3 {
		t.Errorf("%d are lost", got-lost)
	}
	if row := m.state.View().Repo(deep); !row.retired() {
		t.Errorf("%+v", row.Sourced)
	}
}

func TestABatchOfSubmodulesHasNothingElse(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{asking("one"), asking("two"), entryOf("three")}, nil))
	deep := "one"
	for range source.MaxUnder {
		e := submodule(deep, fmt.Sprint("d", source.Depth(deep)))
		m.ok(m.under("kernel", deep, &command.Submodules{}, e))
		deep = e.Path
	}
	for name, l := range map[string]*command.Listing{
		"what is listed":         m.under("kernel", "one", &command.Submodules{}, entryOf("four")),
		"another's":              m.under("kernel", "one", &command.Submodules{}, submodule("two", "lib")),
		"too deep":               m.under("kernel", deep, &command.Submodules{}, submodule(deep, "lib")),
		"without whose they are": m.listing("kernel", []*command.Entry{submodule("one", "lib")}, nil),
	} {
		m.refused(refusal.Invalid, l)
		if m.state.View().RepoByName("host/Acme/lib") != nil {
			t.Errorf("%s is taken", name)
		}
	}
	for _, path := range []string{"two", "one", "three"} {
		l := m.under("kernel", "one", &command.Submodules{})
		l.Take = []string{path}
		m.refused(refusal.Invalid, l)
	}
	l := m.under("kernel", "one", &command.Submodules{Done: true})
	l.Done = &command.Listed{Generation: 9}
	m.refused(refusal.Invalid, l)
}

func TestWhatWasReadOfSubmodules(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{asking("one")}, nil))
	m.ok(m.under("kernel", "one", &command.Submodules{Done: true, Read: []byte("x"), Flaw: "no"}))
	flawed := func() (n int) {
		m.state.View().Flawed(1, func(*Claim) bool { n++; return true })
		return n
	}
	if claim := m.state.View().ClaimOf(1, "one"); claim.SubmodulesRead != "x" || claim.SubmodulesFlaw != "no" || flawed() != 1 {
		t.Errorf("%+v", claim)
	}
	// An entry that has changed is read again; and what does not ask any more lets its submodules go.
	m.ok(m.under("kernel", "one", &command.Submodules{}, submodule("one", "lib")))
	e := entryOf("one")
	e.Hash = digest(2)[:16]
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	if claim := m.state.View().ClaimOf(1, "one"); claim.SubmodulesRead != "" || flawed() != 0 {
		t.Errorf("%+v, %d flawed", claim, flawed())
	}
	m.ok(m.listing("kernel", nil, []string{source.Under("one", "host/Acme/lib")}))
	if lost := m.state.View().SourceByID("kernel").Lost(m.state.View().Now()); lost != 1 {
		t.Errorf("%d are lost", lost)
	}
}

// An index that is called as another row is, is found by what it was called before.
func TestARowKeepsANameThoughNobodyGivesItOne(t *testing.T) {
	m := sourced(t)
	other := newRepo("x")
	other.Name = "host/Acme/index"
	m.ok(addRepos(other))
	mine := newRepo("index")
	mine.Name = "mine"
	m.ok(addRepos(mine))
	c := putSource("others")
	c.Source.Index = proto.Clone(mine).(*command.NewRepo)
	c.Source.Index.Id, c.Source.Index.Name = "new", "host/Acme/index"
	m.ok(c)
	m.ok(&command.RemoveRepos{Ids: []string{"index"}})
	m.isCalled(m.row("mine"), "mine")
}

// Who looks at the table sees it as it was then.
func TestWhatAsksForSubmodulesIsOfItsView(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{asking("one")}, nil))
	before := m.state.View()
	m.ok(m.listing("kernel", []*command.Entry{asking("two")}, []string{"one"}))
	var got []string
	before.Above(1, func(c *Claim) bool { got = append(got, c.Path); return true })
	if len(got) != 1 || got[0] != "one" {
		t.Errorf("%q", got)
	}
}

// More than one entry may do hangs on what goes: it goes with the last of them.
func TestWhatManyHangOnGoesLast(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{asking("one"), asking("three"), entryOf("two")}, nil))
	for _, of := range []string{"one", "three"} {
		for from := 0; from < maxUnder; from += 500 {
			var some []*command.Entry
			for i := range 500 {
				some = append(some, submodule(of, fmt.Sprint(of, from+i)))
			}
			m.ok(m.under("kernel", of, &command.Submodules{}, some...))
		}
		m.refused(refusal.Invalid, m.under("kernel", of, &command.Submodules{}, submodule(of, "one-more")))
	}
	m.refused(refusal.SourceHeld, m.listing("kernel", nil, []string{"one", "three"}))
	m.ok(m.listed("kernel", &command.Listed{Generation: 1, Hold: &command.SourceHold{Digest: digest(7), Lost: 2002}}))
	m.ok(&command.ApproveSource{Id: "kernel", Digest: digest(7)})
	for _, want := range []int{1002, 1} {
		l := m.listing("kernel", nil, []string{"one", "three"})
		l.Approved = digest(7)
		out := m.do(l)
		if left := m.state.View().ClaimsLen(1); out.Code != "" || left != want || (out.Left > 0) != (want > 1) {
			t.Errorf("%d claims are left, want %d: %+v", left, want, out)
		}
	}
}

// What is only called otherwise loses nothing of what hangs on it.
func TestSubmodulesOfWhatIsRenamed(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{asking("one")}, nil))
	var some []*command.Entry
	for i := range 20 {
		some = append(some, submodule("one", fmt.Sprint("m", i)))
	}
	m.ok(m.under("kernel", "one", &command.Submodules{}, some...))
	to := asking("one")
	to.Path, to.Repo.Name = "new/one", "upstream/new/one"
	m.ok(m.listing("kernel", []*command.Entry{to}, []string{"one"}))
	if lost := m.state.View().SourceByID("kernel").Lost(m.state.View().Now()); lost != 0 {
		t.Errorf("%d are lost", lost)
	}
}

// Who calls it otherwise wants it for no shorter time.
func TestARenameMakesNoneYounger(t *testing.T) {
	m := sourced(t)
	others := putSource("others")
	others.Source.Namespace = "o"
	m.ok(others)
	first, second := entryOf("one"), entryOf("one")
	first.Repo.Policy = &command.Policy{Replicas: 3}
	second.Repo.Name, second.Repo.Policy = "o/one", &command.Policy{Replicas: 1}
	m.ok(m.listing("kernel", []*command.Entry{first}, nil))
	m.ok(m.listing("others", []*command.Entry{second}, nil))
	first.Path, first.Repo.Name = "moved", "upstream/moved"
	m.ok(m.listing("kernel", []*command.Entry{first}, []string{"one"}))
	if row := m.row("upstream/moved"); row.Policy.Replicas != 3 || row.Name != "upstream/moved" {
		t.Errorf("%s: %+v", row.Name, row.Policy)
	}
}

// What people have follow another upstream is not called as the first any more.
func TestAnotherUpstreamIsNotCalledAsTheFirst(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	id := m.row("host/Acme/one").ID
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: []string{"https://mine/one"}, Keys: []string{"mine/one"}}}}})
	if row := m.state.View().RepoByName("host/Acme/one"); row != nil {
		t.Errorf("%s is called so, of %q", row.Name, row.URLs())
	}
}

// Who adds what a source wants is heard.
func TestWhatPeopleAskForWhoAddWhatIsWanted(t *testing.T) {
	m := sourced(t)
	e := entryOf("one")
	e.Repo.Policy = &command.Policy{Replicas: 1, IntervalMs: 5000}
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	r := newRepo("mine")
	r.Name, r.Urls, r.UrlKeys = "mine", newRepo("one").Urls, newRepo("one").UrlKeys
	r.Policy, r.Labels = &command.Policy{Replicas: 3}, map[string]string{"x": "y"}
	m.ok(addRepos(r))
	if row := m.row("mine"); row.Policy.Replicas != 3 || row.Policy.Interval != 5*time.Second || row.Labels["x"] != "y" {
		t.Errorf("%+v, %v", row.Policy, row.Labels)
	}
}

// A submodule that is to be called as another is takes nothing away from that.
func TestASubmoduleTakesNoName(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{asking("one"), entryOf("two")}, nil))
	two := m.row("upstream/two").ID
	e := submodule("one", "lib")
	e.Repo.Name = "upstream/two"
	m.refusedItem(refusal.ConflictName, m.under("kernel", "one", &command.Submodules{}, e))
	if m.row("upstream/two").ID != two {
		t.Error("it has another")
	}
}
