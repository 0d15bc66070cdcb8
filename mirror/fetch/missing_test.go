package fetch_test

import (
	"errors"
	"slices"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
)

// What is present may lack what it leads to, of which something was pruned: a commit that is
// its parent, a tree, a blob.
func TestWhatIsPresentMayBeMissing(t *testing.T) { both(t, testWhatIsPresentMayBeMissing) }

func testWhatIsPresentMayBeMissing(t *testing.T, of engine) {
	for _, gone := range []string{"topic~1", "topic~1^{tree}", "topic~1:b", "topic^{tree}"} {
		g := newRig(t, 0, of)
		g.edit(t, func(e *upstream.Edit) {
			e.Commit("main", "one", map[string]string{"a": "a"})
			e.Branch("topic", "main")
			e.Commit("topic", "two", map[string]string{"b": "b"})
			e.Commit("topic", "three", map[string]string{"b": "another", "c": "c"})
			e.Branch("beside", "main")
			e.Commit("beside", "four", map[string]string{"d": "d"})
			e.Commit("never", "five", map[string]string{"e": "e"})
		})
		main, topic, beside, never := g.tip(t, "main"), g.tip(t, "topic"), g.tip(t, "beside"), g.tip(t, "never")
		if err := g.fetch(t, g.up.URL("x.git"), main, topic, beside); err != nil {
			t.Fatal(err)
		}
		missing := func(oids, whole []string) []string {
			t.Helper()
			list, err := g.fetcher.Missing(t.Context(), g.live.Dir(), oids, whole)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(list)
			return list
		}
		all := []string{topic, beside, never, main}
		if got := missing(all, []string{main}); !slices.Equal(got, []string{never}) {
			t.Errorf("%s: missing %v before anything was pruned, want %s alone", gone, got, never)
		}
		gittest.Prune(t, g.live.Dir(), g.tip(t, gone))
		want := []string{never, topic}
		slices.Sort(want)
		for _, whole := range [][]string{nil, {main}, {main, beside}} {
			if got := missing(all, whole); !slices.Equal(got, want) {
				t.Errorf("%s: missing %v where %v are whole, want %v", gone, got, whole, want)
			}
		}
		if absent, err := g.fetcher.Absent(t.Context(), g.live.Dir(), all); err != nil || !slices.Equal(absent, []string{never}) {
			t.Errorf("%s: absent %v, %v, want %s alone", gone, absent, err, never)
		}
	}
}

// A copy that lacks what its own table names says nothing of anything else.
func TestACopyWithoutItsTipsProvesNothing(t *testing.T) {
	both(t, testACopyWithoutItsTipsProvesNothing)
}

func testACopyWithoutItsTipsProvesNothing(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a": "a"})
		e.Commit("topic", "two", map[string]string{"b": "b"})
	})
	main, topic := g.tip(t, "main"), g.tip(t, "topic")
	if err := g.fetch(t, g.up.URL("x.git"), main, topic); err != nil {
		t.Fatal(err)
	}
	gittest.Prune(t, g.live.Dir(), main)
	missing, err := g.fetcher.Missing(t.Context(), g.live.Dir(), []string{topic}, []string{main})
	if f := new(failure.Error); !errors.As(err, &f) || f.Class != failure.Corrupt {
		t.Errorf("missing %v, %v, want that the copy is damaged", missing, err)
	}
}
