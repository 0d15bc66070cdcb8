package fsm

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitmirror/fsm/command"
)

// checkDigest wants the sum that was kept up to be that of the rows.
func checkDigest(t *rapid.T, v *View) {
	var want sum
	v.Repos("", func(r *Repo) bool { want = want.plus(sumOfRow(r)); return true })
	if v.tables.rows != want {
		t.Fatalf("the sum of the rows is %v, kept up it is %v", want, v.tables.rows)
	}
}

// at moves the log on, as entries of raft's own do.
func (m *machine) at(index uint64) *machine { m.index = index - 1; return m }

func indexes(marks []Mark) []uint64 {
	var list []uint64
	for _, m := range marks {
		list = append(list, m.Index)
	}
	return list
}

func TestAMarkIsTheStateAfterItsIndex(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	m.at(999).ok(addRepos(newRepo("two")))
	if marks := m.state.View().Marks(); len(marks) != 0 {
		t.Fatalf("marks %v before index 1000", marks)
	}
	before := m.state.View().Digest()
	// Index 1000 is an entry of raft's own: the mark is known with the next.
	m.at(1001).ok(addRepos(newRepo("three")))
	if diff := cmp.Diff([]Mark{{1000, before}}, m.state.View().Marks()); diff != "" {
		t.Fatal(diff)
	}
	m.at(2000).ok(addRepos(newRepo("four"))) // the index of a mark
	second := m.state.View().Digest()
	if diff := cmp.Diff([]Mark{{1000, before}, {2000, second}}, m.state.View().Marks()); diff != "" {
		t.Fatal(diff)
	}
	m.ok(addRepos(newRepo("five")))
	if got := m.state.View().Marks(); got[1].Digest != second || m.state.View().Digest() == second {
		t.Error("a later command changed the mark, or nothing")
	}
}

func TestMarksOfALongSilence(t *testing.T) {
	m := cluster(t)
	before := m.state.View().Digest()
	old := m.state.View()
	m.at(40_500).ok(addRepos(newRepo("one")))
	marks := m.state.View().Marks()
	if got := indexes(marks); len(got) != MarksKept || got[0] != 25_000 || got[15] != 40_000 {
		t.Fatalf("marks at %v, want 25000 to 40000", got)
	}
	for _, mark := range marks {
		if mark.Digest != before {
			t.Errorf("mark %d is not the state that lasted", mark.Index)
		}
	}
	m.at(41_000).ok(addRepos(newRepo("two")))
	if got := indexes(m.state.View().Marks()); len(got) != MarksKept || got[0] != 26_000 || got[15] != 41_000 {
		t.Errorf("marks at %v, want 26000 to 41000", got)
	}
	if len(old.Marks()) != 0 || !slices.Equal(indexes(marks)[:1], []uint64{25_000}) {
		t.Error("an older view was written to")
	}
}

func TestMarksOutliveASnapshot(t *testing.T) {
	m := cluster(t)
	m.at(3500).ok(addRepos(newRepo("one")))
	restored := New()
	if err := restored.Restore(bytes.NewReader(m.snapshot())); err != nil {
		t.Fatal(err)
	}
	other := &machine{t: t, state: restored, index: m.index, now: m.now}
	for _, x := range []*machine{m, other} {
		x.at(5200).ok(addRepos(newRepo("two")))
	}
	if diff := cmp.Diff(m.state.View().Marks(), restored.View().Marks()); diff != "" {
		t.Error(diff)
	}
	if got := indexes(restored.View().Marks()); !slices.Equal(got, []uint64{1000, 2000, 3000, 4000, 5000}) {
		t.Errorf("marks at %v", got)
	}
}

func TestEveryDifferenceShowsInTheDigest(t *testing.T) {
	same := cluster(t)
	same.ok(addRepos(newRepo("one")))
	for name, other := range map[string]func(m *machine){
		"another row":    func(m *machine) { m.ok(addRepos(newRepo("two"))) },
		"another owner":  func(m *machine) { r := newRepo("one"); r.Copies, r.Owner = []string{"a"}, "a"; m.ok(addRepos(r)) },
		"another policy": func(m *machine) { r := newRepo("one"); r.Policy = &command.Policy{Replicas: 3}; m.ok(addRepos(r)) },
		"another label":  func(m *machine) { r := newRepo("one"); r.Labels = map[string]string{"a": "b"}; m.ok(addRepos(r)) },
		"a node is down": func(m *machine) { m.ok(setNode("b", command.NodeState_NODE_STATE_DOWN)) },
	} {
		m := cluster(t)
		other(m)
		if m.state.View().Digest() == same.state.View().Digest() {
			t.Errorf("%s: the same digest", name)
		}
	}
}

// A row that was changed behind the table's back is not written down as if it
// were what the log says.
func TestARowThatWentWrongIsRefused(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	m.state.tables.repo("one").Refs++
	err := New().Restore(bytes.NewReader(m.snapshot()))
	if err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("restored with %v, want a refusal of its digest", err)
	}
}
