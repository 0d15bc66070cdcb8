package fetch_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/upstream"
)

// A git that is killed while it makes an index leaves nothing in the copy, and the next one makes
// it.
func TestIndexLeavesNothingHalfMade(t *testing.T) {
	bin, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	once := filepath.Join(dir, "once")
	text := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = index-pack ] && [ -e %[1]s ]; then rm %[1]s; : >\"$3\"; kill -9 $$; fi\nexec %[2]s \"$@\"\n", once, bin)
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	g := newRig(t, 0, engines[0])
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) })
	main := g.tip(t, "main")
	if err := g.fetch(t, g.up.URL("x.git"), main); err != nil {
		t.Fatal(err)
	}
	files := func(pattern string) []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(g.live.Dir(), "objects/pack", pattern))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if err := os.Remove(files("*.idx")[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(once, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pack := "objects/pack/" + filepath.Base(files("*.pack")[0])
	if err := g.fetcher.Index(t.Context(), g.live.Dir(), pack); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("killed: %v", err)
	}
	if left := files("tmp_*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := g.fetcher.Index(t.Context(), g.live.Dir(), pack); err != nil || len(files("*.idx")) != 1 {
		t.Errorf("%v, %v", err, files("*"))
	}
}
