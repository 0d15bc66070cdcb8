package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// As many refs as a repository may have, each to a commit of its own, are mirrored, and
// cloned by git: what it asks for is 10 MiB. The short form has enough for a request that
// is kept in a file.
func TestVeryManyRefs(t *testing.T) {
	t.Parallel()
	n := 30_000
	if os.Getenv("GITMIRROR_LONG") != "" {
		n = 200_000
	}
	f, up := newCluster(t, 1), newForge(t)
	repo := up.sample("many")
	up.edit("many", func(e *upstream.Edit) {
		for i := range n - 1 {
			e.Commit("main", fmt.Sprint(i), nil)
		}
	})
	commits := strings.Fields(gittest.Run(t, repo.Dir, "rev-list", "--reverse", "main"))
	packed := []string{"# pack-refs with: peeled fully-peeled sorted ", commits[len(commits)-1] + " refs/heads/main"}
	for i := range n - 1 {
		packed = append(packed, fmt.Sprintf("%s refs/tags/t%06d", commits[i], i))
	}
	if err := os.RemoveAll(filepath.Join(repo.Dir, "refs")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(repo.Dir, "refs/heads"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repo.Dir, "packed-refs"), []byte(strings.Join(packed, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	node := f.nodes[0]
	if r := node.add(up, "many", 1); int(r.Refs) != n {
		t.Errorf("%d refs, want %d: %v", r.Refs, n, r.Skipped)
	}
	gittest.Run(t, t.TempDir(), "clone", "--quiet", "--mirror", node.gitURL("many"), "clone.git")
	want := gittest.LsRemote(t, up.URL("many"))
	if got := gittest.LsRemote(t, node.gitURL("many")); got != want {
		t.Errorf("%d bytes of refs are served, want %d", len(got), len(want))
	}
}
