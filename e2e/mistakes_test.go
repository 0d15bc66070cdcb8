package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// What mirrors before this one got wrong, each by its own story (docs/testing.md has where the others are).
func TestMistakesOfEarlierMirrors(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 1), newForge(t)
	at := f.nodes[0]

	// Two repositories whose last parts are the same are two.
	for _, name := range []string{"one/lib", "two/lib"} {
		up.sample(name)
		at.add(up, name, 1)
	}
	up.shows("one/lib", f.nodes)
	up.shows("two/lib", f.nodes)
	if a, b := gittest.LsRemote(t, up.URL("one/lib")), gittest.LsRemote(t, up.URL("two/lib")); a == b {
		t.Fatal("the samples are the same")
	}

	// A first clone of fifty branches is one event, and nobody's fifty changes.
	up.sample("many")
	up.edit("many", func(e *upstream.Edit) {
		for i := range 50 {
			e.Branch(fmt.Sprint("b", i), "main")
		}
	})
	at.add(up, "many", 1)
	// told are the events of a repository after one that is known, in short.
	told := func(name string, after uint64) (list []string, last uint64) {
		t.Helper()
		events, err := at.client.Events(t.Context(), api.EventQuery{Repo: name, After: &after, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events.Events {
			line := e.Type
			for _, c := range e.Changes {
				line += fmt.Sprintf(" %s %s", c.Kind, strings.TrimPrefix(c.Ref, "refs/heads/"))
			}
			list, last = append(list, line), e.Seq
		}
		return list, last
	}
	list, last := told("many", 0)
	if i := slices.Index(list, "baseline"); i < 0 || slices.ContainsFunc(list, func(l string) bool { return strings.HasPrefix(l, "published") }) {
		t.Errorf("a first clone is told as %q", list)
	}

	// A push, a branch that is deleted, a history that is made anew: each is one event that says what it was,
	// and the mirror goes on.
	for _, step := range []struct {
		edit func(*upstream.Edit)
		want string
	}{
		{func(e *upstream.Edit) { e.Commit("b1", "more", map[string]string{"x": "1"}) }, "published updated b1"},
		{func(e *upstream.Edit) {
			e.Rewrite("b1")
			e.Commit("b1", "anew", map[string]string{"x": "2"})
		}, "published forced b1"},
		{nil, "published deleted b2"},
		{func(e *upstream.Edit) { e.Commit("b1", "and on", map[string]string{"x": "3"}) }, "published updated b1"},
	} {
		if step.edit != nil {
			up.edit("many", step.edit)
		} else if _, err := up.repos["many"].Git("update-ref", "-d", "refs/heads/b2"); err != nil {
			t.Fatal(err)
		}
		up.shows("many", f.nodes)
		if list, last = told("many", last); !slices.Equal(list, []string{step.want}) {
			t.Errorf("told is %q, want %q", list, step.want)
		}
	}

	// However its url is written, one upstream is one repository.
	url := up.URL("one/lib")
	for _, spelled := range []string{url + ".git", url + "/", strings.ToUpper(url[:4]) + url[4:], strings.TrimSuffix(url, "lib") + "LIB.git/"} {
		if out, stderr, code := at.command("repo", "add", spelled); code != 0 || !strings.Contains(out+stderr, "Already there") {
			t.Errorf("repo add %s: %d %s %s", spelled, code, out, stderr)
		}
	}
	if all, err := at.client.Repos(t.Context(), api.Query{}); err != nil || len(all.Repos) != 3 {
		t.Errorf("%v, %+v", err, all)
	}
}
