package fsm

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestIndexesAgreeWithAWalk compares what is kept up with each change with what a walk
// over the whole table finds, whatever the history and wherever it was restored.
func TestIndexesAgreeWithAWalk(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		m := cluster(tt)
		m.ok(addRepos(newRepo("one"), newRepo("two")))
		s := m.state
		views := []*View{s.View()}
		restored := uint64(0)
		last := m.index + uint64(rapid.IntRange(1, 60).Draw(t, "entries"))
		for index := m.index + 1; index <= last; index++ {
			data, err := Encode(someCommand(t, s.View()), "", m.now)
			if err != nil {
				t.Fatal(err)
			}
			if r := s.Apply(index, data); r.Err != nil {
				t.Fatal(r.Err)
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				data := snapshotOf(t, s)
				s, restored = New(), index
				if err := s.Restore(bytes.NewReader(data)); err != nil {
					t.Fatal(err)
				}
			}
			v := s.View()
			checkHoldings(t, v)
			checkChanges(t, rapid.SampledFrom(views).Draw(t, "before"), v, restored)
			views = append(views, v)
		}
		// No view changed because of what came after it.
		for _, v := range views {
			checkHoldings(t, v)
		}
	})
}

func checkHoldings(t *rapid.T, v *View) {
	type holder struct {
		Holding
		held, owned []string
	}
	walked := map[NodeNum]*holder{}
	of := func(n NodeNum) *holder {
		if walked[n] == nil {
			walked[n] = &holder{}
		}
		return walked[n]
	}
	v.Repos("", func(r *Repo) bool {
		for _, c := range r.Copies {
			h := of(c.Node)
			h.held = append(h.held, r.ID)
			switch c.State {
			case CopyLeaving:
				h.Leaving++
			case CopyWanted:
				h.Wanted++
				h.Copies++
				if r.Generation > 0 || c.Node == r.Owner && r.Error == nil && !r.LeftAlone() {
					h.Making++
				}
			default:
				h.Copies++
			}
		}
		if !r.Removed {
			of(r.Owner).owned = append(of(r.Owner).owned, r.ID)
		}
		return true
	})
	nodes := slices.Collect(maps.Keys(v.tables.nodes.byNum))
	for _, n := range append(nodes, slices.Collect(maps.Keys(walked))...) {
		want, got := of(n), holder{Holding: v.Holding(n)}
		v.HeldBy(n, func(r *Repo) bool {
			if v.Repo(r.ID) != r {
				t.Fatalf("node %d holds an older row of %s", n, r.ID)
			}
			got.held = append(got.held, r.ID)
			return true
		})
		v.OwnedBy(n, func(r *Repo) bool { got.owned = append(got.owned, r.ID); return true })
		if want.Owned = len(want.owned); n == 0 {
			want.held, want.Owned = want.owned, 0
		}
		slices.Sort(want.held)
		slices.Sort(want.owned)
		if fmt.Sprint(*want) != fmt.Sprint(got) {
			t.Fatalf("node %d: a walk finds %+v, the index %+v", n, *want, got)
		}
	}
}

// checkChanges wants all that differs between two views, and nothing that does not.
func checkChanges(t *rapid.T, before, after *View, restored uint64) {
	ids, ok := after.ChangedSince(before.Index())
	if want := before.Index() >= restored; ok != want {
		t.Fatalf("changes from %d to %d, restored at %d: known %v, want %v", before.Index(), after.Index(), restored, ok, want)
	}
	if !ok {
		return
	}
	told := map[string]bool{}
	for _, id := range ids {
		if told[id] {
			t.Fatalf("%s is told twice", id)
		}
		if told[id] = true; after.Repo(id) != nil && after.Repo(id).Version <= before.Index() {
			t.Fatalf("%s has not changed since %d", id, before.Index())
		}
	}
	for _, v := range []*View{before, after} {
		v.Repos("", func(r *Repo) bool {
			if before.Repo(r.ID) != after.Repo(r.ID) && !told[r.ID] {
				t.Fatalf("%s differs between %d and %d, and is not told", r.ID, before.Index(), after.Index())
			}
			return true
		})
	}
}

func TestWhoIsTooFarBehindStartsOver(t *testing.T) {
	v := &View{}
	v.tables.index = journalKept + 10
	shared := journal{}
	for i := range uint64(journalKept + 10) {
		v.tables.moved.note(i+1, fmt.Sprint(i+1))
		if i == 4 {
			shared = v.tables.moved
		}
	}
	for index, want := range map[uint64]int{9: -1, 10: journalKept, 11: journalKept - 1, journalKept + 10: 0, journalKept + 11: -1} {
		if ids, ok := v.ChangedSince(index); ok != (want >= 0) || ok && len(ids) != want {
			t.Errorf("since %d: %d changes, %v, want %d", index, len(ids), ok, want)
		}
	}
	if len(shared.changes) != 5 || shared.changes[4].index != 5 {
		t.Error("an earlier view has changed")
	}
}
