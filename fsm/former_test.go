package fsm

import (
	"bytes"
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
	m.ok(m.listing("acme", []*command.Entry{inForge("1", "team/one", "one"), inForge("2", "team/two", "two")}, nil))
	id = m.row("team/one").ID
	m.ok(m.listing("acme", nil, []string{"1"}))
	m.ok(m.listing("acme", []*command.Entry{inForge("2", "team/one", "one")}, nil))
	return m, id
}

// What is said of a retired row whose name and address others have is so: who adds it by these keeps it.
func TestWhatYieldedItsAddressCanBeKept(t *testing.T) {
	m, id := yielded(t)
	row := m.repo(id)
	u, err := giturl.Parse(row.URLs()[0])
	if err != nil || u.Key() != row.upstreamKeys()[0] || row.Name != "retired/"+id {
		t.Fatalf("%s, %q, want %q: %v", row.Name, row.upstreamKeys(), u.Key(), err)
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
