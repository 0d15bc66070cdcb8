package upstream_test

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/upstream"
)

func start(t *testing.T) (*upstream.Server, *upstream.Repo) {
	t.Helper()
	s, err := upstream.Serve(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r, err := s.Repo("acme/x.git")
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func edit(t *testing.T, r *upstream.Repo, fn func(*upstream.Edit)) {
	t.Helper()
	if err := r.Edit(fn); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, upstream.Environ(dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func TestEditsMakeTheHistoryTheySay(t *testing.T) {
	_, r := start(t)
	edit(t, r, func(e *upstream.Edit) {
		e.Commit("main", "1", map[string]string{"f": "1"})
		e.Branch("topic", "main")
		e.Commit("topic", "2", map[string]string{"f": "2"})
		e.Commit("main", "3", nil, "topic")
		e.Tag("v1", "main", "tag")
		e.Commit("gone", "4", nil)
	})
	edit(t, r, func(e *upstream.Edit) {
		e.Commit("main", "5", nil)
		e.Rewrite("gone")
		e.Commit("gone", "6", nil)
	})
	got := map[string]string{}
	for _, spec := range []string{"main", "topic", "gone", "v1"} {
		out, err := r.Git("log", "--topo-order", "--reverse", "--format=%s", spec)
		if err != nil {
			t.Fatal(err)
		}
		got[spec] = out
	}
	want := map[string]string{"main": "1\n2\n3\n5", "topic": "1\n2", "gone": "6", "v1": "1\n2\n3"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	head, refs, err := r.Refs()
	if err != nil || head != "ref: refs/heads/main" || len(refs) != 4 || refs[3][0] != "refs/tags/v1" {
		t.Errorf("%s %v %v", head, refs, err)
	}
}

func TestRequestsAreToldApart(t *testing.T) {
	s, r := start(t)
	edit(t, r, func(e *upstream.Edit) { e.Commit("main", "1", map[string]string{"f": "1"}) })
	dir := t.TempDir()
	git(t, dir, "clone", "--quiet", s.URL("acme/x.git"), "c")
	edit(t, r, func(e *upstream.Edit) { e.Commit("main", "2", nil) })
	git(t, filepath.Join(dir, "c"), "fetch", "--quiet")
	got := map[upstream.Kind]int{}
	for _, k := range []upstream.Kind{upstream.KindDiscover, upstream.KindCheck, upstream.KindClone, upstream.KindFetch} {
		got[k] = s.Count("acme/x.git", k)
	}
	if d := cmp.Diff(map[upstream.Kind]int{upstream.KindDiscover: 2, upstream.KindCheck: 2, upstream.KindClone: 1, upstream.KindFetch: 1}, got); d != "" {
		t.Error(d)
	}
	s.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusTeapot); return true })
	resp, err := http.Get(s.URL("acme/x.git") + "/info/refs")
	if err != nil || resp.StatusCode != http.StatusTeapot {
		t.Errorf("%v %v", resp, err)
	}
	resp.Body.Close()
}
