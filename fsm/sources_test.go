package fsm

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// putSource is a source whose index is on a, b and c.
func putSource(name string) *command.PutSource {
	index := newRepo("index-" + name)
	return &command.PutSource{Source: &command.NewSource{Id: name, Name: name, Namespace: "upstream", Index: index}}
}

// entryOf wants the repo of a name, which is its id too where it is new, under that path.
func entryOf(path string) *command.Entry {
	r := newRepo(path)
	alias := r.Name
	r.Name = "upstream/" + path
	return &command.Entry{Path: path, File: "f", Hash: digest(1)[:16], Repo: r, Alias: alias}
}

// listing is a batch of the node that owns the source's index.
func (m *machine) listing(src string, put []*command.Entry, take []string) *command.Listing {
	m.t.Helper()
	v := m.state.View()
	s := v.SourceByID(src)
	row := v.Repo(s.Index)
	if s.IsForge() {
		row = &Repo{Owner: s.Owner, Epoch: s.Epoch}
	}
	return &command.Listing{Source: src, Node: v.Node(row.Owner).ID, Epoch: row.Epoch, Put: put, Take: take}
}

func (m *machine) listed(src string, done *command.Listed) *command.Listing {
	l := m.listing(src, nil, nil)
	l.Done = done
	return l
}

// sourced is a cluster with the source kernel.
func sourced(t *testing.T) *machine {
	m := cluster(t)
	for _, n := range []string{"a", "b", "c"} {
		node := putNode(n)
		node.Node.Format = Format
		m.ok(node)
	}
	m.ok(&command.RaiseFormat{Format: Format})
	m.ok(putSource("kernel"))
	return m
}

// peoples tells whether people want a row, which keeps what they call it; or wanted it, so that nobody is called so since.
func peoples(row *Repo) bool { return row == nil || row.Sourced == nil || row.Sourced.Hand }

// followsAnother tells whether a row does not follow what one of its claims says, since another does, or people did: that of the
// same repository, which was moved to another account, or since another row follows that.
func followsAnother(v *View, row *Repo, c *Claim) bool {
	if other := v.RepoByURLKey(c.Keys[0]); row.Sourced.Hand || other != nil && other != row {
		return true
	}
	return slices.ContainsFunc(v.ClaimsOn(row.ID), func(o *Claim) bool {
		return o.Keys[0] == row.upstreamKeys()[0] && o.Path == c.Path
	})
}

func (m *machine) row(name string) *Repo {
	m.t.Helper()
	row := m.state.View().RepoByName(name)
	if row == nil {
		m.t.Fatalf("nothing is called %s", name)
	}
	return row
}

func (m *machine) isCalled(row *Repo, names ...string) {
	m.t.Helper()
	if got := append([]string{row.Name}, row.Aliases...); !slices.Equal(got, names) {
		m.t.Errorf("it is called %q, want %q", got, names)
	}
}

func TestWhatASourceListsIsMirrored(t *testing.T) {
	m := sourced(t)
	e := entryOf("one")
	e.Repo.Policy, e.Repo.Labels = &command.Policy{Replicas: 3, IntervalMs: 5000, RefPrefixes: []string{"refs/"}}, map[string]string{"team": "x"}
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	row := m.row("upstream/one")
	m.isCalled(row, "upstream/one", "host/Acme/one")
	if row.Policy.Replicas != 3 || row.Policy.Interval != 5*time.Second || row.Labels["team"] != "x" || len(row.Copies) != 2 {
		t.Errorf("%+v of %+v", row, row.Policy)
	}
	// The same again is nothing new, whatever id it brings.
	again := proto.Clone(e).(*command.Entry)
	again.Repo.Id = "another"
	before := m.rows()
	m.ok(m.listing("kernel", []*command.Entry{again}, nil))
	if m.rows() != before {
		t.Error("a batch that comes twice changes something")
	}
	// Another hash is an entry that has changed: what it does not say any more is as usual.
	e.Repo.Policy, e.Repo.Labels, e.Hash = nil, nil, digest(2)[:16]
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	if row = m.row("upstream/one"); row.Policy.Replicas != 2 || row.Policy.Interval != 0 || len(row.Labels) != 0 || len(row.Policy.RefPrefixes) != 2 {
		t.Errorf("%+v of %+v", row, row.Policy)
	}
	if list := m.state.View().ClaimsOn(row.ID); len(list) != 1 || list[0].Path != "one" || m.state.View().ClaimsLen(1) != 1 {
		t.Errorf("claims: %+v", list)
	}
}

func TestOnlyTheOwnerOfTheIndexLists(t *testing.T) {
	m := sourced(t)
	for name, change := range map[string]func(*command.Listing){
		"another node":           func(l *command.Listing) { l.Node = "b" },
		"an unknown node":        func(l *command.Listing) { l.Node = "z" },
		"an earlier epoch":       func(l *command.Listing) { l.Epoch-- },
		"a later epoch":          func(l *command.Listing) { l.Epoch++ },
		"no node":                func(l *command.Listing) { l.Node = "" },
		"and with its end":       func(l *command.Listing) { l.Epoch--; l.Done = &command.Listed{Generation: 3} },
		"and what it would take": func(l *command.Listing) { l.Epoch--; l.Put, l.Take = nil, []string{"one"} },
	} {
		t.Run(name, func(t *testing.T) {
			l := m.listing("kernel", []*command.Entry{entryOf("one")}, nil)
			change(l)
			m.refused(refusal.StaleEpoch, l)
		})
	}
	other := m.listing("kernel", nil, nil)
	other.Source = "nobody"
	m.refused(refusal.NotFound, other)
}

func TestAnotherPathIsARename(t *testing.T) {
	m := sourced(t)
	var all []*command.Entry
	for i := range 30 {
		all = append(all, entryOf(fmt.Sprint("r", i)))
	}
	m.ok(m.listing("kernel", all, nil))
	id := m.row("upstream/r7").ID
	// All of them in another folder, in one batch and in two: nothing is lost, so nothing guards it.
	var moved []*command.Entry
	var gone []string
	for _, e := range all {
		to := proto.Clone(e).(*command.Entry)
		to.Path, to.Repo.Name = "new/"+e.Path, "upstream/new/"+e.Path
		moved, gone = append(moved, to), append(gone, e.Path)
	}
	m.ok(m.listing("kernel", moved[:10], gone[:10]))
	m.ok(m.listing("kernel", moved[10:], nil))
	m.ok(m.listing("kernel", nil, gone[10:]))
	row := m.row("upstream/new/r7")
	if row.ID != id || m.state.View().RepoByName("upstream/r7") != nil {
		t.Errorf("it is %s, was %s", row.ID, id)
	}
	m.isCalled(row, "upstream/new/r7", "host/Acme/r7")
	if n := m.state.View().SourceByID("kernel").Lost(m.now); n != 0 {
		t.Errorf("%d count as lost", n)
	}
	// Another case of the same path too.
	e := proto.Clone(moved[7]).(*command.Entry)
	e.Path, e.Repo.Name = "new/R7", "upstream/new/R7"
	m.ok(m.listing("kernel", []*command.Entry{e}, []string{"new/r7"}))
	m.isCalled(m.row("upstream/new/r7"), "upstream/new/R7", "host/Acme/r7")
}

func TestAnotherUpstreamOfTheSamePath(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one"), entryOf("two")}, nil))
	id := m.row("upstream/one").ID
	// The mirror follows it to where nothing is mirrored yet …
	e := entryOf("one")
	e.Repo.Urls, e.Repo.UrlKeys, e.Alias, e.Hash = []string{"https://new/one"}, []string{"new/one"}, "new/one", digest(2)[:16]
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	row := m.row("upstream/one")
	if row.ID != id || row.URLs()[0] != "https://new/one" || m.state.View().RepoByURLKey("new/one") != row || m.state.View().RepoByURLKey("host/acme/one") != nil {
		t.Errorf("%+v of %v", row, row.URLs())
	}
	m.isCalled(row, "upstream/one", "new/one")
	// … and what is mirrored already is that.
	e = entryOf("one")
	e.Repo.Urls, e.Repo.UrlKeys, e.Alias, e.Hash = newRepo("two").Urls, newRepo("two").UrlKeys, "host/Acme/two", digest(3)[:16]
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	two := m.row("upstream/two")
	if m.row("upstream/one") != two {
		t.Error("one upstream is mirrored twice")
	}
	m.isCalled(two, "upstream/two", "upstream/one", "host/Acme/two")
	if was := m.repo(id); was.Sourced.RetiredAt().IsZero() {
		t.Error("what nobody wants any more is not retired")
	}
}

func TestOneUpstreamOfTwoSources(t *testing.T) {
	m := sourced(t)
	others := putSource("others")
	others.Source.Namespace = "o"
	m.ok(others)
	first, second := entryOf("one"), entryOf("one")
	first.Repo.Policy, first.Repo.Labels = &command.Policy{Replicas: 1}, map[string]string{"x": "first", "a": "1"}
	second.Repo.Name, second.Repo.Policy, second.Repo.Labels = "o/one", &command.Policy{Replicas: 3}, map[string]string{"x": "second", "b": "2"}
	m.ok(m.listing("kernel", []*command.Entry{first}, nil))
	m.ok(m.listing("others", []*command.Entry{second}, nil))
	row := m.row("o/one")
	if m.row("upstream/one") != row || m.state.View().Len() != 3 || row.Policy.Replicas != 1 || row.Labels["x"] != "first" || row.Labels["b"] != "2" {
		t.Errorf("%+v of %+v", row, row.Policy)
	}
	m.isCalled(row, "upstream/one", "o/one", "host/Acme/one")
	// The oldest claim that is left counts.
	m.ok(m.listing("kernel", nil, []string{"one"}))
	row = m.row("o/one")
	if row.Policy.Replicas != 3 || row.Labels["x"] != "second" || row.Labels["a"] != "" || !row.Sourced.RetiredAt().IsZero() {
		t.Errorf("%+v of %+v", row, row.Policy)
	}
	m.isCalled(row, "o/one", "host/Acme/one")
	// A name is one repo's: the second that asks for it is refused, alone.
	bad := entryOf("two")
	bad.Repo.Name = "o/ONE"
	out := m.do(m.listing("kernel", []*command.Entry{bad, entryOf("three")}, nil))
	if out.Code != "" || out.Items[0].Code != string(refusal.ConflictName) || out.Items[0].Path != "two" || out.Items[1].Code != "" {
		t.Errorf("%+v", out)
	}
	// So is an address.
	bad = entryOf("four")
	bad.Repo.Urls, bad.Repo.UrlKeys = append(bad.Repo.Urls, newRepo("three").Urls...), append(bad.Repo.UrlKeys, newRepo("three").UrlKeys...)
	if out := m.do(m.listing("kernel", []*command.Entry{bad}, nil)); out.Items[0].Code != string(refusal.ConflictURL) || out.Items[0].Existing != "upstream/three" {
		t.Errorf("%+v", out)
	}
}

func TestWhatNobodyWantsIsRetired(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one"), entryOf("two")}, nil))
	id := m.row("upstream/one").ID
	m.ok(m.listing("kernel", nil, []string{"one"}))
	row := m.row("upstream/one")
	if row.Sourced.RetiredAt().IsZero() || row.Removed {
		t.Fatalf("%+v", row.Sourced)
	}
	// Back within the time it costs nothing.
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	if row = m.row("upstream/one"); row.ID != id || !row.Sourced.RetiredAt().IsZero() {
		t.Errorf("%+v", row.Sourced)
	}
	kinds := []string{}
	for _, e := range m.state.View().Events(0) {
		if e.Repo == id {
			kinds = append(kinds, e.Type)
		}
	}
	if want := []string{EventRepoAdded, EventRepoRetired, EventRepoClaimed}; !slices.Equal(kinds, want) {
		t.Errorf("events %q, want %q", kinds, want)
	}
	// Its name is free for who wants it.
	m.ok(m.listing("kernel", nil, []string{"one"}))
	e := entryOf("three")
	e.Path, e.Repo.Name = "one", "upstream/one"
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	m.isCalled(m.repo(id), "host/Acme/one")
	other := newRepo("five")
	other.Name = "host/Acme/one"
	m.ok(addRepos(other))
	m.isCalled(m.repo(id), "retired/"+id)
	// What is retired can be removed at once.
	m.ok(&command.RemoveRepos{Ids: []string{id}})
	if row := m.state.View().Repo(id); row != nil && !row.Removed {
		t.Error("it is there")
	}
}

func TestPeopleAndSourcesWantOne(t *testing.T) {
	t.Run("people first", func(t *testing.T) {
		m := sourced(t)
		r := newRepo("one")
		r.Policy = &command.Policy{Replicas: 3, RefPrefixes: []string{"refs/"}}
		m.ok(addRepos(r))
		e := entryOf("one")
		e.Repo.Id, e.Repo.Policy = "other", &command.Policy{Replicas: 1, IntervalMs: 5000, RefPrefixes: []string{"refs/heads/"}}
		e.Repo.Urls, e.Repo.UrlKeys = append(e.Repo.Urls, "https://far/one"), append(e.Repo.UrlKeys, "far/one")
		m.ok(m.listing("kernel", []*command.Entry{e}, nil))
		row := m.row("upstream/one")
		if row.ID != "one" || row.Policy.Replicas != 3 || row.Policy.Interval != 5*time.Second || row.Policy.RefPrefixes[0] != "refs/" || len(row.URLs()) != 1 {
			t.Errorf("%+v of %+v", row, row.Policy)
		}
		m.isCalled(row, "host/Acme/one", "upstream/one")
		// People let go of it: the source has it, as it asks for it.
		m.ok(&command.RemoveRepos{Ids: []string{"one"}})
		if row = m.row("upstream/one"); row.Removed || row.Policy.Replicas != 1 {
			t.Errorf("%+v of %+v", row, row.Policy)
		}
		m.isCalled(row, "upstream/one", "host/Acme/one")
		// And a second time they cannot.
		out := m.refused(refusal.Claimed, &command.RemoveRepos{Ids: []string{"one"}})
		if !strings.Contains(out.Items[0].Message, "kernel") {
			t.Errorf("%+v", out)
		}
		m.ok(m.listing("kernel", nil, []string{"one"}))
		if m.row("upstream/one").Sourced.RetiredAt().IsZero() {
			t.Error("it is not retired")
		}
	})
	t.Run("the source first", func(t *testing.T) {
		m := sourced(t)
		m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
		id := m.row("upstream/one").ID
		mine := newRepo("mine")
		mine.Name, mine.Urls, mine.UrlKeys = "mine", newRepo("one").Urls, newRepo("one").UrlKeys
		out := m.do(addRepos(mine))
		if out.Items[0].Code != "" || out.Items[0].Repo != id {
			t.Fatalf("%+v", out)
		}
		m.isCalled(m.row("mine"), "mine", "upstream/one", "host/Acme/one")
		mine.Name = "mine-too"
		m.refused(refusal.ConflictURL, addRepos(mine))
		// The source lets go of it: people have it.
		m.ok(m.listing("kernel", nil, []string{"one"}))
		row := m.row("mine")
		if row.ID != id || row.Sourced != nil {
			t.Errorf("%+v", row.Sourced)
		}
		m.isCalled(row, "mine")
		m.ok(&command.RemoveRepos{Ids: []string{id}})
		if row := m.repo(id); !row.Removed {
			t.Errorf("%+v", row)
		}
	})
}

// Who adds what is retired calls it: what it was called goes with its claim, and is there for others.
func TestWhatIsRetiredIsKeptByPeople(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	m.ok(m.listing("kernel", nil, []string{"one"}))
	mine := newRepo("mine")
	mine.Name, mine.Urls, mine.UrlKeys = "mine", newRepo("one").Urls, newRepo("one").UrlKeys
	m.ok(addRepos(mine))
	m.isCalled(m.row("mine"), "mine")
	other := entryOf("one")
	other.Repo.Id, other.Repo.Urls, other.Repo.UrlKeys = "other", []string{"https://h/other"}, []string{"h/other"}
	m.ok(m.listing("kernel", []*command.Entry{other}, nil))
	if m.row("upstream/one").ID != "other" {
		t.Error("the name is not free")
	}
	if row := m.row("mine"); row.Sourced != nil {
		t.Errorf("%+v", row.Sourced)
	}
}

func TestWhatPeopleSetStays(t *testing.T) {
	m := sourced(t)
	e := entryOf("one")
	e.Repo.Policy, e.Repo.Labels = &command.Policy{Replicas: 3, IntervalMs: 5000}, map[string]string{"a": "1", "b": "1"}
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	id := m.row("upstream/one").ID
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Policy: &command.SetPolicy{Replicas: proto.Uint32(2)}, Labels: map[string]string{"a": "mine"}, Unlabel: []string{"b"},
		Name: proto.String("mine"), Paused: proto.Bool(true), Upstream: &command.Upstream{Urls: []string{"https://mine/one"}, Keys: []string{"mine/one"}}}}})
	e.Repo.Policy, e.Repo.Labels, e.Hash = &command.Policy{Replicas: 1, IntervalMs: 7000}, map[string]string{"a": "2", "b": "2", "c": "2"}, digest(2)[:16]
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Policy: &command.SetPolicy{IntervalMs: proto.Int64(9000)}}}})
	if m.row("mine").Policy.Interval != 9*time.Second {
		t.Error("people's interval is not taken")
	}
	e.Repo.Policy, e.Hash = &command.Policy{Replicas: 1, IntervalMs: 8000}, digest(3)[:16]
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	row := m.row("mine")
	if row.ID != id || row.Policy.Replicas != 2 || row.Policy.Interval != 9*time.Second || !row.Paused || row.URLs()[0] != "https://mine/one" ||
		row.Labels["a"] != "mine" || row.Labels["b"] != "" || row.Labels["c"] != "2" {
		t.Errorf("%+v of %+v, %v", row, row.Policy, row.URLs())
	}
	m.isCalled(row, "mine", "upstream/one") // and not as the address is any more that it had
}

func TestWhatASourceMayTakeAway(t *testing.T) {
	m := sourced(t)
	var all []*command.Entry
	var paths []string
	for i := range 100 {
		all = append(all, entryOf(fmt.Sprintf("r%02d", i)))
		paths = append(paths, fmt.Sprintf("r%02d", i))
	}
	m.ok(m.listing("kernel", all, nil))
	m.refused(refusal.SourceHeld, m.listing("kernel", nil, paths))
	m.refused(refusal.SourceHeld, m.listing("kernel", nil, paths[:11]))
	m.ok(m.listing("kernel", nil, paths[:6]))
	m.refused(refusal.SourceHeld, m.listing("kernel", nil, paths[6:11])) // 24 hours are looked at
	m.ok(m.listing("kernel", nil, paths[6:10]))
	m.ok(m.listing("kernel", nil, paths[:10])) // they are gone already
	m.now = m.now.Add(25 * time.Hour)
	m.ok(m.listing("kernel", nil, paths[10:19]))

	// A person lets it.
	hold := &command.SourceHold{Digest: digest(7), Lost: 81, First: paths[19:]}
	l := m.listed("kernel", &command.Listed{Generation: 2, Hold: hold})
	m.ok(l)
	m.refused(refusal.StaleHold, &command.ApproveSource{Id: "kernel", Digest: digest(8)})
	m.ok(&command.ApproveSource{Id: "kernel", Digest: digest(7)})
	before := len(m.state.View().Events(0))
	if m.ok(&command.ApproveSource{Id: "kernel", Digest: digest(7)}); len(m.state.View().Events(0)) != before {
		t.Error("an approval that was given is another")
	}
	m.ok(l) // it was on its way: what is approved stays so
	rest := m.listing("kernel", nil, paths[19:])
	m.refused(refusal.SourceHeld, rest)
	rest.Approved = digest(8)
	m.refused(refusal.SourceHeld, rest)
	rest.Approved = digest(7)
	m.ok(rest)
	m.ok(m.listed("kernel", &command.Listed{Generation: 2}))
	if src := m.state.View().SourceByID("kernel"); src.Hold != nil || src.Approved != "" || m.state.View().ClaimsLen(src.Num) != 0 {
		t.Errorf("%+v", src)
	}
	m.refused(refusal.NotHeld, &command.ApproveSource{Id: "kernel", Digest: digest(7)})
	// Few are not to be taken either: of four, four may go, not five.
	m.now = m.now.Add(25 * time.Hour)
	m.ok(m.listing("kernel", all[:5], nil))
	m.refused(refusal.SourceHeld, m.listing("kernel", nil, paths[:5]))
	m.ok(m.listing("kernel", nil, paths[:4]))
}

func TestAnIndexThatListsItself(t *testing.T) {
	m := sourced(t)
	e := entryOf("index-kernel")
	e.Repo.Id = "other"
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	row := m.row("upstream/index-kernel")
	if row.ID != "index-kernel" || len(m.state.View().ClaimsOn(row.ID)) != 2 {
		t.Errorf("%+v", row)
	}
	m.isCalled(row, "upstream/index-kernel", "host/Acme/index-kernel")
	m.ok(m.listing("kernel", nil, []string{"index-kernel"}))
	if row = m.repo("index-kernel"); !row.Sourced.RetiredAt().IsZero() || row.Removed {
		t.Errorf("%+v", row.Sourced)
	}
	m.refused(refusal.Claimed, &command.RemoveRepos{Ids: []string{row.ID}})
}

func TestASourceIsRemoved(t *testing.T) {
	m := sourced(t)
	m.ok(addRepos(newRepo("r3")))
	for from := 0; from < 1500; from += 500 {
		var some []*command.Entry
		for i := range 500 {
			some = append(some, entryOf(fmt.Sprint("r", from+i)))
		}
		m.ok(m.listing("kernel", some, nil))
	}
	out := m.do(&command.RemoveSource{Id: "kernel"})
	if out.Code != "" || out.Left != 501 { // with its index
		t.Fatalf("%+v", out)
	}
	late := m.listing("kernel", []*command.Entry{entryOf("late")}, nil)
	m.refused(refusal.NotFound, late)
	m.refused(refusal.NotFound, &command.SetSource{Id: "kernel"})
	m.ok(publish("index-kernel", 1))
	if v := m.state.View(); v.SourceByID("kernel").Wants(v.Repo("index-kernel")) {
		t.Error("what is being removed is to be read")
	}
	if out = m.do(&command.RemoveSource{Id: "kernel"}); out.Code != "" || out.Left != 0 {
		t.Fatalf("%+v", out)
	}
	v := m.state.View()
	if len(v.Sources()) != 0 || v.Repo("r3").Sourced != nil || v.Repo("index-kernel").Sourced.RetiredAt().IsZero() || v.Repo("r700").Sourced.RetiredAt().IsZero() {
		t.Errorf("%+v", v.Sources())
	}
	m.refused(refusal.NotFound, &command.RemoveSource{Id: "kernel"})
	m.ok(putSource("kernel")) // and comes back
	if src := m.state.View().SourceByID("kernel"); src.Num != 2 || src.Index != "index-kernel" || !m.repo("index-kernel").Sourced.RetiredAt().IsZero() {
		t.Errorf("%+v", src)
	}
}

func TestWhenASourceIsToBeRead(t *testing.T) {
	m := sourced(t)
	wants := func(want bool) {
		t.Helper()
		v := m.state.View()
		src := v.SourceByID("kernel")
		if got := src.Wants(v.Repo(src.Index)); got != want {
			t.Errorf("it wants to be read: %v", got)
		}
	}
	wants(false) // nothing is there
	m.ok(publish("index-kernel", 1))
	wants(true)
	m.ok(m.listed("kernel", &command.Listed{Generation: 1}))
	wants(false)
	m.ok(&command.SetSource{Id: "kernel", Path: proto.String("l")})
	wants(true)
	m.ok(m.listed("kernel", &command.Listed{Generation: 1, Path: "l"}))
	wants(false)
	m.ok(&command.SetSource{Id: "kernel", Again: 5})
	wants(true)
	m.ok(&command.SetSource{Id: "kernel", Paused: proto.Bool(true)})
	wants(false)
	m.ok(&command.SetSource{Id: "kernel", Paused: proto.Bool(false)})
	m.ok(m.listed("kernel", &command.Listed{Error: "no such ref"}))
	wants(true)
	if src := m.state.View().SourceByID("kernel"); src.Error != "no such ref" || src.ErrorAt.IsZero() || src.Listed.GetPath() != "l" {
		t.Errorf("%+v", src)
	}
	m.ok(m.listed("kernel", &command.Listed{Generation: 1, Path: "l", Again: 5, Hold: &command.SourceHold{Digest: digest(1), Lost: 9}}))
	wants(false)
	m.ok(&command.ApproveSource{Id: "kernel", Digest: digest(1)})
	wants(true)
	if src := m.state.View().SourceByID("kernel"); src.Error != "" || !src.ErrorAt.IsZero() {
		t.Errorf("%+v", src)
	}
}

func TestSourcesAreRefused(t *testing.T) {
	m := sourced(t)
	bad := func(change func(*command.NewSource)) *command.PutSource {
		c := putSource("other")
		change(c.Source)
		return c
	}
	m.refused(refusal.ConflictName, bad(func(s *command.NewSource) { s.Name = "KERNEL" }))
	m.refused(refusal.Invalid, bad(func(s *command.NewSource) { s.Id = "kernel" }))
	m.refused(refusal.Invalid, bad(func(s *command.NewSource) { s.Name = "" }))
	m.refused(refusal.Invalid, bad(func(s *command.NewSource) { s.Namespace = "a b" }))
	m.refused(refusal.Invalid, bad(func(s *command.NewSource) { s.Index = nil }))
	m.refused(refusal.Invalid, bad(func(s *command.NewSource) { s.Index.Urls = nil }))
	m.ok(addRepos(newRepo("two")))
	m.refused(refusal.ConflictName, bad(func(s *command.NewSource) { s.Index.Name = "host/Acme/two" }))
	too := m.listing("kernel", nil, make([]string, MaxItems+1))
	m.refused(refusal.Invalid, too)
	for name, change := range map[string]func(*command.Entry){
		"no path":   func(e *command.Entry) { e.Path = "" },
		"no repo":   func(e *command.Entry) { e.Repo = nil },
		"no hash":   func(e *command.Entry) { e.Hash = nil },
		"no url":    func(e *command.Entry) { e.Repo.Urls = nil },
		"bad alias": func(e *command.Entry) { e.Alias = "a b" },
		"extra":     func(e *command.Entry) { e.Extra = strings.Repeat("x", maxExtra+1) },
		"its id":    func(e *command.Entry) { e.Repo.Id = "two" },
	} {
		t.Run(name, func(t *testing.T) {
			e := entryOf("one")
			change(e)
			m.refused(refusal.Invalid, m.listing("kernel", []*command.Entry{e}, nil))
		})
	}
}

func TestThereAreSoManySources(t *testing.T) {
	m := sourced(t)
	for i := range maxSources - 1 {
		m.ok(putSource(fmt.Sprint("s", i)))
	}
	m.refused(refusal.Invalid, putSource("one-more"))
}

// With the same hash an entry is the same: nothing of it is looked at.
func TestWhatHasItsHashIsNotLookedAt(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	other := entryOf("one")
	other.Repo.Policy = &command.Policy{Replicas: 3}
	before := m.rows()
	m.ok(m.listing("kernel", []*command.Entry{other}, nil))
	if m.rows() != before {
		t.Error("it has changed something")
	}
}

func TestTheOldestClaimStaysThatWhenItChanges(t *testing.T) {
	m := sourced(t)
	others := putSource("others")
	m.ok(others)
	first, second := entryOf("one"), entryOf("one")
	first.Repo.Policy = &command.Policy{Replicas: 1}
	second.Path, second.Repo.Name, second.Repo.Policy = "two", "upstream/two", &command.Policy{Replicas: 3}
	m.ok(m.listing("kernel", []*command.Entry{first}, nil))
	m.ok(m.listing("others", []*command.Entry{second}, nil))
	first.Hash, first.Repo.Policy = digest(2)[:16], &command.Policy{Replicas: 2}
	m.ok(m.listing("kernel", []*command.Entry{first}, nil))
	if row := m.row("upstream/one"); row.Policy.Replicas != 2 || row.Name != "upstream/one" {
		t.Errorf("%+v of %+v", row, row.Policy)
	}
}

func TestWhoHasAnotherNameKeepsIt(t *testing.T) {
	m := sourced(t)
	r := newRepo("mine")
	r.Name = "host/Acme/one"
	m.ok(addRepos(r))
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	m.isCalled(m.row("upstream/one"), "upstream/one")
	m.isCalled(m.row("host/Acme/one"), "host/Acme/one")
}

func TestARowHasSoManyNames(t *testing.T) {
	m := sourced(t)
	var all []*command.Entry
	for i := range 1 + MaxAliases {
		e := entryOf("one")
		e.Path, e.Repo.Name, e.Alias = fmt.Sprint("p", i), fmt.Sprint("upstream/p", i), ""
		all = append(all, e)
	}
	m.ok(m.listing("kernel", all, nil))
	e := entryOf("one")
	e.Path, e.Repo.Name, e.Alias = "more", "upstream/more", ""
	m.refused(refusal.Invalid, m.listing("kernel", []*command.Entry{e}, nil))
	m.refused(refusal.Invalid, &command.ChangeRepos{Repos: []*command.RepoChange{{Repo: m.row("upstream/p0").ID, Name: proto.String("mine")}}})
}

// Where others want a row as it is, an entry that gets another upstream leaves it to them.
func TestARowIsLeftToWhoElseWantsIt(t *testing.T) {
	for name, want := range map[string]func(*machine){
		"people": func(m *machine) {
			r := newRepo("mine")
			r.Name, r.Urls, r.UrlKeys = "mine", newRepo("one").Urls, newRepo("one").UrlKeys
			m.ok(addRepos(r))
		},
		"another source": func(m *machine) {
			m.ok(putSource("others"))
			e := entryOf("one")
			e.Path, e.Repo.Name = "mine", "mine"
			m.ok(m.listing("others", []*command.Entry{e}, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := sourced(t)
			m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
			id := m.row("upstream/one").ID
			want(m)
			e := entryOf("one")
			e.Repo.Id, e.Repo.Urls, e.Repo.UrlKeys, e.Alias, e.Hash = "new", []string{"https://new/one"}, []string{"new/one"}, "", digest(2)[:16]
			m.ok(m.listing("kernel", []*command.Entry{e}, nil))
			if row := m.row("mine"); row.ID != id || row.URLs()[0] != newRepo("one").Urls[0] {
				t.Errorf("%+v of %q", row, row.URLs())
			}
			if row := m.row("upstream/one"); row.ID != "new" || row.URLs()[0] != "https://new/one" {
				t.Errorf("%+v of %q", row, row.URLs())
			}
		})
	}
}

func TestWhatIsRetiredGivesItsNamesToSources(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one"), entryOf("two")}, nil))
	one, two := m.row("upstream/one").ID, m.row("upstream/two").ID
	m.ok(m.listing("kernel", nil, []string{"one", "two"}))
	e := entryOf("three")
	e.Alias = "host/Acme/one"
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	m.isCalled(m.row("host/Acme/one"), "upstream/three", "host/Acme/one")
	m.isCalled(m.repo(one), "upstream/one")
	c := putSource("others")
	c.Source.Index.Name = "host/Acme/two"
	m.ok(c)
	m.isCalled(m.row("host/Acme/two"), "host/Acme/two")
	m.isCalled(m.repo(two), "upstream/two")
}

func TestTheClaimOfTheIndexIsNotForListings(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", nil, []string{""}))
	if list := m.state.View().ClaimsOn("index-kernel"); len(list) != 1 {
		t.Errorf("%+v", list)
	}
}

// A row that a leader places for the first time has not moved, and nobody has lost it.
func TestTheFirstPlaceIsNoNews(t *testing.T) {
	m := sourced(t)
	e := entryOf("one")
	e.Repo.Copies, e.Repo.Owner = nil, ""
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	id := m.row("upstream/one").ID
	m.ok(m.placing(id, []string{"a", "b"}, nil))
	m.ok(assign(id, 0, "a"))
	kinds := []string{}
	for _, e := range m.state.View().Events(0) {
		if e.Repo == id {
			kinds = append(kinds, e.Type)
		}
	}
	if want := []string{EventRepoAdded}; !slices.Equal(kinds, want) {
		t.Errorf("events %q, want %q", kinds, want)
	}
	m.ok(assign(id, 1, "b"))
	m.ok(m.placing(id, []string{"c"}, nil))
	if events := m.state.View().Events(0); events[len(events)-1].Type != EventMoved || events[len(events)-2].Type != EventOwnerChanged {
		t.Errorf("%+v", events[len(events)-2:])
	}
}

// What people had follow another address does, whatever its claims say of fallbacks by then.
func TestAnAddressByHandStays(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	id := m.row("upstream/one").ID
	one := newRepo("one")
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Upstream: &command.Upstream{Urls: []string{one.Urls[0], "https://mine/one"}, Keys: []string{one.UrlKeys[0], "mine/one"}}}}})
	e := entryOf("one")
	e.Repo.Urls, e.Repo.UrlKeys, e.Hash = append(e.Repo.Urls, "https://theirs/one"), append(e.Repo.UrlKeys, "theirs/one"), digest(2)[:16]
	m.ok(m.listing("kernel", []*command.Entry{e}, nil))
	if urls := m.repo(id).URLs(); !slices.Equal(urls, []string{one.Urls[0], "https://mine/one"}) {
		t.Errorf("%q", urls)
	}
}

// Who restores what was removed wants it, whoever did before.
func TestWhatIsRestoredIsPeoples(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one")}, nil))
	id := m.row("upstream/one").ID
	m.ok(publish(id, 1))
	m.ok(m.listing("kernel", nil, []string{"one"}))
	m.ok(&command.RemoveRepos{Ids: []string{id}})
	m.ok(&command.RestoreRepos{Ids: []string{id}})
	if row := m.repo(id); row.Removed || row.retired() || row.LeftAlone() {
		t.Errorf("%+v", row.Sourced)
	}
}

func TestWhoseTheSettingsAre(t *testing.T) {
	m := sourced(t)
	others := putSource("others")
	others.Source.Namespace = "o"
	m.ok(others)
	first, second := entryOf("one"), entryOf("one")
	first.Learned, first.Repo.Policy, first.Repo.Labels = true, &command.Policy{RefPrefixes: []string{"refs/"}}, map[string]string{"x": "first"}
	second.Repo.Name, second.Repo.Policy, second.Repo.Labels = "o/one", &command.Policy{Replicas: 3}, map[string]string{"x": "second", "b": "2"}
	m.ok(m.listing("kernel", []*command.Entry{first}, nil))
	m.ok(m.listing("others", []*command.Entry{second}, nil))
	id := m.row("upstream/one").ID
	m.ok(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Policy: &command.SetPolicy{Replicas: proto.Uint32(1)}, Labels: map[string]string{"mine": "1"}}}})
	v := m.state.View()
	want := []Origin{{"upstream", 1}, {"replicas", 0}, {"interval", 1}, {"refs", 1}, {"label b", 2}, {"label mine", 0}, {"label x", 1}}
	if got := v.Origins(v.Repo(id)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	m.ok(addRepos(newRepo("hand")))
	if got := m.state.View().Origins(m.row("host/Acme/hand")); got != nil {
		t.Errorf("%v", got)
	}
}

// soundSources checks what must hold of sources, claims and the rows that they are on.
func soundSources(v *View) error {
	counts := map[SourceNum]int{}
	for _, src := range v.Sources() {
		if index := v.Repo(src.Index); src.IsForge() {
			if src.Index != "" || src.Epoch == 0 {
				return fmt.Errorf("%s is a forge with an index, or without an epoch: %+v", src.Name, src)
			}
		} else if !index.live() || v.tables.claims.get(src.Num, "") == nil || v.tables.claims.get(src.Num, "").Repo != src.Index {
			return fmt.Errorf("the index of %s is not there, or not claimed", src.Name)
		}
		if v.SourceByName(src.Name) != src || v.SourceByNum(src.Num) != src || src.Num > v.tables.sources.last {
			return fmt.Errorf("%s is not found", src.Name)
		}
	}
	claimed := map[string]bool{}
	asking, flawed := 0, 0 // for submodules
	total := sum{}
	var err error
	v.tables.claims.byPath.Scan(func(c *Claim) bool {
		counts[c.Source]++
		claimed[c.Repo] = true
		total = total.plus(sumOf(marshal(nil, claimRecord(c))))
		row := v.Repo(c.Repo)
		switch {
		case v.SourceByNum(c.Source) == nil:
			err = fmt.Errorf("a claim of no source on %s", c.Repo)
		case !row.live() || row.Sourced == nil:
			err = fmt.Errorf("%s is claimed, and not there: %+v", c.Repo, row)
		case !slices.Contains(v.ClaimsOn(c.Repo), c):
			err = fmt.Errorf("a claim is not found by its row")
		case row.Sourced.ByHand&setUpstream == 0 && row.upstreamKeys()[0] != c.Keys[0] && c.Hash != (source.Hash{}) && !followsAnother(v, row, c):
			err = fmt.Errorf("%s claims %s, which mirrors %s", c.Path, c.Keys[0], row.upstreamKeys()[0])
		case c.Name != "" && v.RepoByName(c.Name) != row, c.Alias != "" && c.Keys[0] == row.upstreamKeys()[0] && row.Estranged() == "" && v.RepoByName(c.Alias) != row && !peoples(v.RepoByName(c.Alias)):
			err = fmt.Errorf("%s is not found as %s and %s", c.Repo, c.Name, c.Alias)
		}
		if above, is := source.Above(c.Path); is && err == nil {
			if src := v.SourceByNum(c.Source); !src.Removing && v.ClaimOf(c.Source, above) == nil {
				err = fmt.Errorf("%s hangs on nothing", c.Path)
			}
		}
		if c.Submodules {
			asking++
		}
		if c.SubmodulesFlaw != "" {
			flawed++
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if total != v.tables.claims.sum || v.tables.claims.byPath.Len() != v.tables.claims.byRepo.Len() {
		return fmt.Errorf("the sum of the claims is not theirs")
	}
	if n := v.tables.claims.above.Len(); n != asking {
		return fmt.Errorf("%d claims ask for submodules, and %d are found", asking, n)
	}
	if n := v.tables.claims.flawed.Len(); n != flawed {
		return fmt.Errorf("what hangs on %d claims cannot be followed, and %d are found", flawed, n)
	}
	for src, n := range counts {
		if v.tables.claims.count(src) != n {
			return fmt.Errorf("source %d has %d claims, not %d", src, n, v.tables.claims.count(src))
		}
	}
	retired := 0
	v.Retired(func(r *Repo) bool {
		if retired++; v.Repo(r.ID) != r || r.Removed || !r.retired() {
			err = fmt.Errorf("%s is among those that are retired: %+v", r.Name, r.Sourced)
		}
		return err == nil
	})
	v.Repos("", func(r *Repo) bool {
		if r.live() && r.retired() {
			retired--
		}
		wanted := claimed[r.ID] || r.Sourced == nil || r.Sourced.Hand
		if !r.Removed && wanted == !r.Sourced.RetiredAt().IsZero() {
			err = fmt.Errorf("%s is wanted: %v, and retired: %v", r.Name, wanted, r.Sourced.RetiredAt())
		}
		return err == nil
	})
	if err == nil && retired != 0 {
		err = fmt.Errorf("%d rows too many are among those that are retired", retired)
	}
	return err
}
