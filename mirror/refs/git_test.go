package refs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/mirror/refs"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=n", "GIT_AUTHOR_EMAIL=e@x", "GIT_COMMITTER_NAME=n", "GIT_COMMITTER_EMAIL=e@x"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// What we write is a packed-refs file to git: it shows the same refs, takes our
// word for what tags lead to, and finds nothing to complain about.
func TestGitReadsOurFile(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "--quiet", "--bare", ".")
	tree := git(t, dir, "hash-object", "-t", "tree", "-w", "/dev/null")
	commit := git(t, dir, "commit-tree", tree, "-m", "one")
	git(t, dir, "tag", "-a", "-m", "v1", "v1", commit)
	tag := git(t, dir, "rev-parse", "refs/tags/v1")
	git(t, dir, "update-ref", "-d", "refs/tags/v1")
	table := &refs.Table{Generation: 1<<64 - 1, Candidate: "CAND", Head: refs.Symbolic("refs/heads/main"), Refs: []refs.Ref{
		{Name: "refs/gitmirror/kept/1700000000/heads/x", OID: commit},
		{Name: "refs/heads/--upload-pack=x", OID: commit},
		{Name: "refs/heads/main", OID: commit},
		{Name: "refs/heads/\u00a0", OID: commit},
		{Name: "refs/tags/light", OID: commit},
		{Name: "refs/tags/v1", OID: tag, Peeled: commit},
	}}
	if err := os.WriteFile(filepath.Join(dir, "packed-refs"), table.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range table.Refs {
		want = append(want, strings.TrimSpace(r.OID+" "+r.Name+" "+r.Peeled))
	}
	got := strings.Split(git(t, dir, "for-each-ref", "--format=%(objectname) %(refname) %(*objectname)"), "\n")
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("git for-each-ref:\n%s", d)
	}
	if peeled := git(t, dir, "show-ref", "-d", "v1"); !strings.Contains(peeled, commit+" refs/tags/v1^{}") {
		t.Errorf("git show-ref -d: %s", peeled)
	}
	git(t, dir, "fsck", "--strict", "--no-dangling")

	// Peeled ids come from the file: git believes a wrong one, which is why the
	// file is checked as a whole.
	table.Refs[5].Peeled = strings.Repeat("1", 40)
	if err := os.WriteFile(filepath.Join(dir, "packed-refs"), table.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	if peeled := git(t, dir, "show-ref", "-d", "v1"); !strings.Contains(peeled, table.Refs[5].Peeled) {
		t.Errorf("git does not use the peeled id of the file: %s", peeled)
	}
}
