package fetch_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

func TestJudge(t *testing.T) { both(t, testJudge) }

func testJudge(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("base", "0", map[string]string{"f": "0"})
		e.Branch("left", "base")
		e.Commit("left", "l1", map[string]string{"l": "1"})
		e.Branch("left1", "left")
		e.Commit("left", "l2", map[string]string{"l": "2"})
		e.Branch("right", "base")
		e.Commit("right", "r1", map[string]string{"r": "1"})
		e.Branch("merged", "left")
		e.Commit("merged", "m", map[string]string{"m": "1"}, "right")
		e.Commit("orphan", "o", map[string]string{"o": "1"})
		e.Tag("t1", "left1", "one")
		e.Tag("t2", "left", "two")
	})
	tip := func(name string) string { return g.tip(t, name) }
	steps := map[string]struct {
		from, to string
		want     refs.Kind
	}{
		"fast-forward by one":           {"left1", "left", refs.Updated},
		"fast-forward from the base":    {"base", "left", refs.Updated},
		"through a merge, first parent": {"left", "merged", refs.Updated},
		"through a merge, other parent": {"right", "merged", refs.Updated},
		"far back through a merge":      {"base", "merged", refs.Updated},
		"backwards":                     {"left", "left1", refs.Forced},
		"to the other side":             {"left", "right", refs.Forced},
		"to an orphan":                  {"left", "orphan", refs.Forced},
		"from an orphan":                {"orphan", "left", refs.Forced},
		"a tag moved on":                {"refs/tags/t1", "refs/tags/t2", refs.Updated},
		"a tag moved back":              {"refs/tags/t2", "refs/tags/t1", refs.Forced},
		"from commit to tag of it":      {"left1", "refs/tags/t2", refs.Updated},
		"to a blob":                     {"left", "left:l", refs.Forced},
		"to a tree":                     {"left", "left^{tree}", refs.Forced},
		"from a blob":                   {"left:l", "left", refs.Forced},
	}
	judge := func(names []string) {
		t.Helper()
		var changes []refs.Change
		want := map[string]refs.Kind{"new": refs.Created, "gone": refs.Deleted}
		for _, n := range names {
			changes = append(changes, refs.Change{Ref: n, Old: tip(steps[n].from), New: tip(steps[n].to), Kind: refs.Updated})
			want[n] = steps[n].want
		}
		changes = append(changes, refs.Change{Ref: "new", New: tip("left"), Kind: refs.Created}, refs.Change{Ref: "gone", Old: tip("right"), Kind: refs.Deleted})
		if err := g.fetcher.Judge(t.Context(), g.repo.Dir, changes); err != nil {
			t.Fatal(err)
		}
		got := map[string]refs.Kind{}
		for _, c := range changes {
			got[c.Ref] = c.Kind
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("judged together with %d others:\n%s", len(names)-1, d)
		}
	}
	// All at once, where one's old tip lies behind another's, and each alone.
	all := slices.Sorted(maps.Keys(steps))
	judge(all)
	for _, n := range all {
		judge([]string{n})
	}
	judge(nil)
}

func TestUnreachable(t *testing.T) { both(t, testUnreachable) }

func testUnreachable(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "1", map[string]string{"f": "1"})
		e.Branch("old", "main")
		e.Commit("main", "2", map[string]string{"f": "2"})
		e.Branch("lost", "main")
		e.Commit("lost", "3", map[string]string{"f": "3"})
		e.Branch("behind", "lost")
		e.Commit("lost", "4", map[string]string{"f": "4"})
		e.Tag("on-main", "old", "of what is kept")
	})
	keep := []refs.Ref{{Name: "refs/heads/main", OID: g.tip(t, "main")}}
	tips := map[string]bool{ // name → lost?
		"main": false, "old": false, "lost": true, "behind": true, "refs/tags/on-main": true, "main:f": false, "lost:f": true, "lost^{tree}": true,
	}
	want := map[string]bool{}
	var list []string
	for name, lost := range tips {
		oid := g.tip(t, name)
		list = append(list, oid)
		if lost {
			want[oid] = true
		}
	}
	got, err := g.fetcher.Unreachable(t.Context(), g.repo.Dir, list, keep)
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	if got, err := g.fetcher.Unreachable(t.Context(), g.repo.Dir, nil, keep); err != nil || len(got) > 0 {
		t.Errorf("of nothing: %v %v", got, err)
	}
	if got, err := g.fetcher.Unreachable(t.Context(), g.repo.Dir, list[:1], nil); err != nil || len(got) != 1 {
		t.Errorf("when nothing is kept: %v %v", got, err)
	}
	if _, err := g.fetcher.Unreachable(t.Context(), g.repo.Dir, []string{strings.Repeat("1", 40)}, keep); err == nil {
		t.Error("a tip that is not there")
	}
}

func TestPeel(t *testing.T) { both(t, testPeel) }

func testPeel(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "1", map[string]string{"f": "1"})
		e.Tag("v1", "main", "one")
	})
	if _, err := g.repo.Git("-c", "user.name=n", "-c", "user.email=e@x", "tag", "-a", "-m", "of a tag", "twice", "v1"); err != nil {
		t.Fatal(err)
	}
	commit := g.tip(t, "main")
	list := []refs.Ref{
		{Name: "refs/heads/main", OID: commit}, {Name: "refs/tags/v1", OID: g.tip(t, "refs/tags/v1")},
		{Name: "refs/tags/twice", OID: g.tip(t, "refs/tags/twice")}, {Name: "refs/tags/blob", OID: g.tip(t, "main:f")},
	}
	if err := g.fetcher.Peel(t.Context(), g.repo.Dir, list); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", commit, commit, ""} {
		if list[i].Peeled != want {
			t.Errorf("%s leads to %q, want %q", list[i].Name, list[i].Peeled, want)
		}
	}
	err := g.fetcher.Peel(t.Context(), g.repo.Dir, append(list, refs.Ref{Name: "refs/tags/void", OID: strings.Repeat("1", 40)}))
	if f := failure.Of(err); err == nil || f.Class != failure.Corrupt || !strings.Contains(f.Message, "refs/tags/void") {
		t.Errorf("an object that is not there: %v", err)
	}
	if err := g.fetcher.Peel(t.Context(), g.repo.Dir, nil); err != nil {
		t.Error(err)
	}
}
