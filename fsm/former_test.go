package fsm

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
)

// yielded is a cluster in which the repository one is gone, and another has its name and its address; id is of
// the row that was one.
func yielded(t *testing.T) (m *machine, id string) {
	m = forged(t)
	one := inForge("1", "team/one", "one")
	one.Repo.Id, one.Repo.Urls[0] = "R1", "https://h/one.git" // as ids are, and as forges have it
	m.ok(m.listing("acme", []*command.Entry{one, inForge("2", "team/two", "two")}, nil))
	id = m.row("team/one").ID
	m.ok(publish(id, 1))
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: id, Epoch: 1, MovedFrom: "https://h/one.git", MovedTo: "https://h/uno"}}})
	m.ok(m.listing("acme", nil, []string{"1"}))
	m.ok(m.listing("acme", []*command.Entry{inForge("2", "team/one", "one")}, nil))
	return m, id
}

// What is said of a retired row whose name and address others have is so: who adds it by these keeps it.
func TestWhatYieldedItsAddressCanBeKept(t *testing.T) {
	m, id := yielded(t)
	row := m.repo(id)
	u, err := giturl.Parse(row.URLs()[0])
	if err != nil || u.Key() != row.upstreamKeys()[0] || row.Name != strings.ToLower("retired/"+id) && row.Name != "retired/"+id || row.Moved != nil {
		t.Fatalf("%s, %q, want %q: %v, %+v", row.Name, row.upstreamKeys(), u.Key(), err, row.Moved)
	}
	keep := newRepo("keep")
	keep.Name, keep.Urls, keep.UrlKeys = row.Name, []string{u.String()}, []string{u.Key()}
	m.ok(addRepos(keep))
	if row = m.repo(id); row.retired() || m.state.View().RepoByName(keep.Name).ID != id || m.state.View().Repo("keep") != nil {
		t.Errorf("%+v", row)
	}
}

// The last name of a retired row is nobody else's, and no row gets one that another has: no two are found by one.
func TestTheLastNameOfARetiredRow(t *testing.T) {
	m, id := yielded(t)
	other := newRepo("other")
	other.Name = "retired/" + id
	if out := m.do(addRepos(other)); out.Items[0].GetCode() != string(refusal.ConflictName) {
		t.Errorf("%v", out)
	}
	m = forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one"), inForge("2", "team/two", "two")}, nil))
	id = m.row("team/one").ID
	other.Name = "retired/" + id
	m.ok(addRepos(other))
	m.ok(m.listing("acme", nil, []string{"1"}))
	m.ok(m.listing("acme", []*command.Entry{inForge("2", "team/one", "one")}, nil))
	if name := m.repo(id).Name; name != "retired/"+id+"-2" || m.repo(other.Id).Name != other.Name {
		t.Errorf("%s, %s", name, m.repo(other.Id).Name)
	}
	if err := newMachine(t).state.Restore(bytes.NewReader(m.snapshot())); err != nil {
		t.Error(err)
	}
}

// A snapshot that lacks a row is not written, whatever the reason: the log would be cut off behind it.
func TestASnapshotThatLacksARowIsNotWritten(t *testing.T) {
	m := forged(t)
	m.ok(addRepos(newRepo("one"), newRepo("two")))
	c := m.state.Capture()
	c.view.tables.byName.Delete(m.repo("one"))
	if err := c.Persist(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "rows of 3") {
		t.Errorf("it is written: %v", err)
	}
}

// An entry that is refused takes no address away.
func TestARefusedEntryTakesNoAddress(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one"), inForge("2", "team/two", "two")}, nil))
	id := m.row("team/one").ID
	m.ok(m.listing("acme", nil, []string{"1"}))
	mine := newRepo("mine")
	mine.Name = "team/one"
	m.ok(addRepos(mine))
	if out := m.do(m.listing("acme", []*command.Entry{inForge("2", "team/one", "one")}, nil)); out.Items[0].GetCode() != string(refusal.ConflictName) {
		t.Fatalf("%v", out)
	}
	if url := m.repo(id).URLs()[0]; url != "https://h/one" {
		t.Errorf("it is at %s", url)
	}
}

// What has yielded its address, and is back at another, has what its own had, not what it was called meanwhile.
func TestWhatYieldedItsAddressIsBack(t *testing.T) {
	m, id := yielded(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/uno", "uno")}, nil))
	if row := m.row("team/uno"); row.ID != id || row.Estranged() != "h/one" {
		t.Errorf("%+v, %s", row, row.Estranged())
	}
}

// Only a forge knows by its number what it has renamed: what an index writes otherwise is what is mirrored there.
func TestAnEntryOfAnIndexIsWhatIsAtItsAddress(t *testing.T) {
	m := sourced(t)
	m.ok(m.listing("kernel", []*command.Entry{entryOf("one"), entryOf("two")}, nil))
	m.ok(m.listing("kernel", nil, []string{"one"}))
	two := entryOf("two")
	two.Hash, two.Repo, two.Alias = digest(2)[:16], newRepo("one"), newRepo("one").Name
	two.Repo.Name = "upstream/two"
	m.ok(m.listing("kernel", []*command.Entry{two}, nil))
	if row := m.row("upstream/two"); row.ID != "one" || !m.repo("two").retired() {
		t.Errorf("%+v", row)
	}
}

// What is renamed takes no address from who is wanted, and what that one is by is its own: the names that it had before
// stay with the row that had them.
func TestARenameToWhereAnotherIsWanted(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
	hand := newRepo("hand")
	hand.Urls, hand.UrlKeys = []string{"https://h/uno", "https://h/more"}, []string{"h/uno", "h/more"}
	m.ok(addRepos(hand))
	m.refusedItem(refusal.ConflictURL, m.listing("acme", []*command.Entry{inForge("1", "team/uno", "more")}, nil)) // which is asked second
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/uno", "uno")}, nil))
	if row := m.row("team/uno"); row.ID != "hand" || row.URLs()[0] != "https://h/uno" {
		t.Errorf("%+v", row)
	}
	v := m.state.View()
	if c := v.ClaimOf(v.SourceByID("acme").Num, "1"); len(c.Former) != 0 {
		t.Errorf("it was called %q", c.Former)
	}
}

// What was said of an address goes with it.
func TestARenameForgetsWhatWasSaidOfTheAddress(t *testing.T) {
	m := forged(t)
	one := inForge("1", "team/one", "one")
	one.Repo.Urls, one.Repo.UrlKeys = append(one.Repo.Urls, "https://h/more"), append(one.Repo.UrlKeys, "h/more")
	m.ok(m.listing("acme", []*command.Entry{one}, nil))
	id := m.row("team/one").ID
	m.ok(&command.Report{Node: "a", Health: []*command.HealthReport{{Repo: id, Epoch: 1, MovedFrom: "https://h/one", MovedTo: "https://h/x", Fallback: "https://h/more"}}})
	if row := m.repo(id); row.Moved == nil || row.Fallback == nil {
		t.Fatalf("%+v", row)
	}
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/uno", "uno")}, nil))
	if row := m.repo(id); row.Name != "team/uno" || row.Moved != nil || row.Fallback != nil {
		t.Errorf("%+v", row)
	}
}

// A name that it would have had, were its address proved, is another's by then.
func TestANameBeforeThatAnotherHas(t *testing.T) {
	m := forged(t)
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
	m.ok(publish(m.row("team/one").ID, 1))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "new")}, nil))
	hand := newRepo("hand")
	hand.Name = "h/new"
	m.ok(addRepos(hand))
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "newer")}, nil))
	if row := m.row("team/one"); m.row("h/new").ID != "hand" || slices.Contains(row.Aliases, "h/new") {
		t.Errorf("%+v", row)
	}
}

// What others want too by another number, or of another forge, stays where it is.
func TestARenameOfWhatOthersWant(t *testing.T) {
	for _, number := range []string{"1", "2"} {
		m := forged(t)
		c := account("other")
		if number == "1" {
			c.Source.Forge.Kind = "gitea"
		}
		m.ok(c)
		m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one")}, nil))
		m.ok(m.listing("other", []*command.Entry{inForge(number, "other/one", "one")}, nil))
		m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/uno", "uno")}, nil))
		if row := m.row("other/one"); row.URLs()[0] != "https://h/one" || m.row("team/uno").ID == row.ID {
			t.Errorf("%s: %+v", number, row)
		}
	}
}
