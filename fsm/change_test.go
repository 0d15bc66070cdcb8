package fsm

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

// latest is a cluster of the newest format.
func latest(t testing.TB) *machine {
	m := cluster(t)
	for _, name := range []string{"a", "b", "c"} {
		n := putNode(name)
		n.Node.Format = Format
		m.ok(n)
	}
	m.ok(&command.RaiseFormat{Format: Format})
	return m
}

func changing(c *command.RepoChange) *command.ChangeRepos {
	return &command.ChangeRepos{Repos: []*command.RepoChange{c}}
}

func renaming(repo, name string) *command.ChangeRepos {
	return changing(&command.RepoChange{Repo: repo, Name: proto.String(name)})
}

// A repository that is renamed keeps its id and its copies, and is found by both names, in
// any case; nobody else gets either.
func TestARenamedRepoIsFoundByBothNames(t *testing.T) {
	m := latest(t)
	m.ok(addRepos(newRepo("one"), newRepo("two")))
	copies := m.repo("one").Copies
	m.ok(renaming("one", "big"))
	v := m.state.View()
	for _, name := range []string{"big", "BIG", "host/Acme/one", "HOST/acme/ONE"} {
		if row := v.RepoByName(name); row == nil || row.ID != "one" {
			t.Errorf("%s leads to %+v", name, row)
		}
	}
	row := v.Repo("one")
	if row.Name != "big" || !slices.Equal(row.Copies, copies) || v.RepoByURLKey("host/acme/one") != row || !slices.Equal(row.URLs(), []string{"https://host/Acme/one"}) {
		t.Errorf("after the new name: %+v, %v", row, row.URLs())
	}
	out := m.refused(refusal.ConflictName, addRepos(&command.NewRepo{Id: "x", Name: "Host/acme/ONE", Urls: []string{"https://x/x"}, UrlKeys: []string{"x/x"}}))
	if i := out.Items[0]; i.Existing != "big" || i.Message != "Host/acme/ONE is another name of big" {
		t.Errorf("a name that is another's is refused with %+v", i)
	}
	m.refused(refusal.ConflictName, addRepos(&command.NewRepo{Id: "x", Name: "Big", Urls: []string{"https://x/x"}, UrlKeys: []string{"x/x"}}))
	m.refused(refusal.ConflictName, renaming("two", "host/acme/one"))
	m.refused(refusal.ConflictName, renaming("two", "BIG"))
	m.refused(refusal.ConflictName, changing(&command.RepoChange{Repo: "two", Aliases: &command.Aliases{Names: []string{"big"}}}))

	m.ok(renaming("one", "host/Acme/one"))
	if row = m.repo("one"); row.Name != "host/Acme/one" || !slices.Equal(row.Aliases, []string{"big"}) {
		t.Errorf("called again as before: %s, %v", row.Name, row.Aliases)
	}
	m.ok(renaming("one", "host/acme/One"))
	if row = m.repo("one"); row.Name != "host/acme/One" || !slices.Equal(row.Aliases, []string{"big"}) {
		t.Errorf("written otherwise: %s, %v", row.Name, row.Aliases)
	}
	if types := m.eventTypes("big"); !slices.Contains(types, EventRepoRenamed) {
		t.Errorf("events of big: %v", types)
	}
}

// Other names that are given up, or whose repository goes, are free.
func TestOtherNamesBecomeFree(t *testing.T) {
	m := latest(t)
	m.ok(addRepos(newRepo("one"), newRepo("two"), newRepo("three")))
	m.ok(renaming("one", "big"))
	m.ok(changing(&command.RepoChange{Repo: "one", Aliases: &command.Aliases{}}))
	if row := m.state.View().RepoByName("host/acme/one"); row != nil || len(m.repo("one").Aliases) != 0 {
		t.Errorf("a name that was given up leads to %+v", row)
	}
	m.ok(renaming("two", "host/acme/one"))
	m.ok(&command.RemoveRepos{Ids: []string{"two"}})
	if m.state.View().RepoByName("host/acme/two") != nil {
		t.Error("a row that is being removed is found by another name")
	}
	m.ok(renaming("three", "host/acme/two"))
	m.ok(changing(&command.RepoChange{Repo: "three", Aliases: &command.Aliases{Names: []string{"x", "y"}}, Name: proto.String("z")}))
	if row := m.repo("three"); row.Name != "z" || !slices.Equal(row.Aliases, []string{"x", "y"}) || m.state.View().RepoByName("host/acme/two") != nil {
		t.Errorf("said which names there shall be: %s %v", row.Name, row.Aliases)
	}
}

// What is asked for of one row is done whole, or not at all.
func TestAChangeIsWholeOrRefused(t *testing.T) {
	m := latest(t)
	one := newRepo("one")
	one.Labels = map[string]string{"team": "core", "old": "1"}
	m.ok(addRepos(one, newRepo("two")))
	all := &command.RepoChange{Repo: "one", Policy: &command.SetPolicy{Replicas: proto.Uint32(3), IntervalMs: proto.Int64(7000)},
		Labels: map[string]string{"tier": "1"}, Unlabel: []string{"old", "none"}, Paused: proto.Bool(true),
		Upstream: &command.Upstream{Urls: []string{"https://other/one", "https://host/Acme/one"}, Keys: []string{"other/one", "host/acme/one"}}}
	many := make([]string, MaxAliases+1)
	for i := range many {
		many[i] = "n" + string(rune('a'+i))
	}
	for what, wrong := range map[string]struct {
		code   refusal.Code
		change func(*command.RepoChange)
	}{
		"another's upstream":            {refusal.ConflictURL, func(c *command.RepoChange) { c.Upstream.Keys[0] = "host/acme/two" }},
		"another's name":                {refusal.ConflictName, func(c *command.RepoChange) { c.Name = proto.String("HOST/acme/two") }},
		"no upstream":                   {refusal.Invalid, func(c *command.RepoChange) { c.Upstream = &command.Upstream{} }},
		"no such name":                  {refusal.Invalid, func(c *command.RepoChange) { c.Name = proto.String("a:b") }},
		"no name":                       {refusal.Invalid, func(c *command.RepoChange) { c.Name = proto.String("") }},
		"its own name":                  {refusal.Invalid, func(c *command.RepoChange) { c.Aliases = &command.Aliases{Names: []string{"HOST/acme/one"}} }},
		"a name twice":                  {refusal.Invalid, func(c *command.RepoChange) { c.Aliases = &command.Aliases{Names: []string{"x", "X"}} }},
		"too many names":                {refusal.Invalid, func(c *command.RepoChange) { c.Aliases = &command.Aliases{Names: many} }},
		"an empty label":                {refusal.Invalid, func(c *command.RepoChange) { c.Labels[""] = "x" }},
		"more copies than nodes can be": {refusal.Invalid, func(c *command.RepoChange) { c.Policy.Replicas = proto.Uint32(maxCopies + 1) }},
		"no such repo":                  {refusal.NotFound, func(c *command.RepoChange) { c.Repo = "none" }},
	} {
		c := proto.Clone(all).(*command.RepoChange)
		wrong.change(c)
		t.Log(what)
		m.refused(wrong.code, changing(c))
	}
	m.ok(changing(all))
	row := m.repo("one")
	if row.Policy.Replicas != 3 || row.Policy.Interval.Seconds() != 7 || !row.Paused || len(row.Labels) != 2 || row.Labels["team"] != "core" || row.Labels["tier"] != "1" ||
		!slices.Equal(row.URLs(), all.Upstream.Urls) || row.Name != "host/Acme/one" {
		t.Errorf("changed into %+v %+v", row, row.Policy)
	}
	if m.state.View().RepoByURLKey("other/one") != row || m.state.View().RepoByURLKey("host/acme/one") != row {
		t.Error("not found by its upstreams")
	}
	before := row.Version
	m.ok(changing(all))
	if m.repo("one").Version != before {
		t.Error("a row that is so already has changed")
	}
	m.ok(changing(&command.RepoChange{Repo: "one", Upstream: &command.Upstream{Urls: []string{"https://host/Acme/one"}, Keys: []string{"host/acme/one"}}, Paused: proto.Bool(false)}))
	if m.state.View().RepoByURLKey("other/one") != nil || m.repo("one").Paused {
		t.Errorf("changed back into %+v", m.repo("one"))
	}
	if types := m.eventTypes("host/Acme/one"); !slices.Equal(types, []string{EventRepoAdded, EventUpstreamMoved, EventRepoPaused, EventUpstreamMoved, EventRepoResumed}) {
		t.Errorf("events: %v", types)
	}
}

// A leader of before, which does not know of copies and intervals that change, lets them
// through: then they count for nobody.
func TestCopiesAndIntervalsChangeSinceTheirFormat(t *testing.T) {
	change := &command.SetPolicy{Repo: "one", Replicas: proto.Uint32(3), IntervalMs: proto.Int64(7000), MaxSize: proto.Int64(1 << 30)}
	for _, entry := range []proto.Message{change, changing(&command.RepoChange{Repo: "one", Policy: change})} {
		data, err := Encode(entry, "", epoch)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Admit(data, formatChanges-1, epoch); refusal.Of(err) == nil || refusal.Of(err).Code != refusal.FormatTooOld {
			t.Errorf("%T in a cluster of before: %v", entry, err)
		}
		if _, err := Admit(data, formatChanges, epoch); err != nil {
			t.Errorf("%T: %v", entry, err)
		}
	}
	m := latest(t)
	m.ok(addRepos(newRepo("one")))
	m.state.tables.format = formatChanges - 1
	m.ok(change)
	if p := m.repo("one").Policy; p.Replicas != 2 || p.Interval.Seconds() != 60 || p.MaxSize != 1<<30 {
		t.Errorf("before the format: %+v", p)
	}
	m.state.tables.format = formatChanges
	m.ok(change)
	if p := m.repo("one").Policy; p.Replicas != 3 || p.Interval.Seconds() != 7 {
		t.Errorf("with the format: %+v", p)
	}
}

// An interval that is not said is learned, since all members can; before that it was a minute.
func TestIntervalsAreLearnedSinceTheirFormat(t *testing.T) {
	learned := &command.SetPolicy{Repo: "one", IntervalMs: proto.Int64(0)}
	data, err := Encode(learned, "", epoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Admit(data, formatRhythm-1, epoch); refusal.Of(err) == nil || refusal.Of(err).Code != refusal.FormatTooOld {
		t.Errorf("in a cluster of before: %v", err)
	}
	if _, err := Admit(data, formatRhythm, epoch); err != nil {
		t.Error(err)
	}
	m := latest(t)
	m.state.tables.format = formatRhythm - 1
	m.ok(addRepos(newRepo("one")))
	m.ok(learned)
	if p := m.repo("one").Policy; p.Interval != policy.FirstInterval {
		t.Errorf("before the format: %+v", p)
	}
	m.state.tables.format = formatRhythm
	m.ok(addRepos(newRepo("two")))
	if one, two := m.repo("one").Policy, m.repo("two").Policy; one.Interval != policy.FirstInterval || two.Interval != 0 {
		t.Errorf("since then one that was there has %s, a new one %s", one.Interval, two.Interval)
	}
	m.ok(learned)
	if p := m.repo("one").Policy; p.Interval != 0 {
		t.Errorf("as somebody wants it: %s", p.Interval)
	}
}

func TestReposAreFoundByTheEndsOfTheirNames(t *testing.T) {
	m := latest(t)
	m.ok(addRepos(newRepo("one"), newRepo("two"), newRepo("three")))
	m.ok(&command.RemoveRepos{Ids: []string{"three"}})
	m.ok(renaming("two", "elsewhere/one"))
	for end, want := range map[string]int{"one": 2, "ACME/one": 1, "ne": 0, "two": 0, "three": 0, "host/acme/one": 0} {
		if got := len(m.state.View().ReposEnding(end, 5)); got != want {
			t.Errorf("%d repos end in %s, want %d", got, end, want)
		}
	}
	if got := len(m.state.View().ReposEnding("one", 1)); got != 1 {
		t.Errorf("%d repos, want 1 at the most", got)
	}
}

// What a command would come to is what it comes to, by the same rules, and nothing of it is
// there: not in the rows, nor in what is told of changes later.
func TestACommandIsTried(t *testing.T) {
	m := latest(t)
	m.ok(addRepos(newRepo("one")))
	before, view := m.snapshot(), m.state.View()
	ask := addRepos(newRepo("two"), newRepo("one"))
	would, err := m.state.Try(ask)
	if err != nil || len(would.Items) != 2 || would.Items[0].Code != "" || would.Items[1].Code != string(refusal.ConflictName) {
		t.Fatalf("it would come to %v, %v", would, err)
	}
	if !bytes.Equal(before, m.snapshot()) || m.state.View() != view && m.state.View().Index() != view.Index() {
		t.Error("a command that was only tried has changed something")
	}
	m.ok(&command.RemoveRepos{Ids: []string{"one"}})
	after := m.state.View()
	if _, err := m.state.Try(ask); err != nil {
		t.Fatal(err)
	}
	if ids, ok := after.ChangedSince(view.Index()); !ok || !slices.Equal(ids, []string{"one"}) {
		t.Errorf("changed since: %v", ids)
	}
	m.ok(addRepos(newRepo("three"))) // takes the place in memory that the trial would have taken
	if ids, ok := m.state.View().ChangedSince(after.Index()); !ok || !slices.Equal(ids, []string{"three"}) {
		t.Errorf("changed since: %v", ids)
	}
	if _, err := m.state.Try(&command.Envelope{}); err == nil {
		t.Error("what is no command is tried")
	}
}

// Trials and commands go on beside each other.
func TestATrialSharesNothing(t *testing.T) {
	m := latest(t)
	var trials sync.WaitGroup
	for i := range 4 {
		trials.Go(func() {
			for n := range 50 {
				if out, err := m.state.Try(addRepos(newRepo(fmt.Sprintf("try-%d-%d", i, n)))); err != nil || out.Items[0].Code != "" {
					t.Error(out, err)
				}
			}
		})
	}
	for n := range 50 {
		m.ok(addRepos(newRepo(fmt.Sprintf("real-%d", n))))
	}
	trials.Wait()
	if n := m.state.View().Len(); n != 50 {
		t.Errorf("%d rows", n)
	}
	if ids, ok := m.state.View().ChangedSince(0); !ok || len(ids) != 50 || slices.ContainsFunc(ids, func(id string) bool { return strings.HasPrefix(id, "try") }) {
		t.Errorf("changed: %v", ids)
	}
}
