package tree_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/mirror/tree"
)

// list is every file of a commit, in short.
func list(t *testing.T, dir, tip string) (out []string, err error) {
	t.Helper()
	files, err := tree.Open(nil, dir, tip)
	if err != nil {
		return nil, err
	}
	defer files.Close()
	for f, err := range files.Files() {
		if err != nil {
			return out, err
		}
		switch {
		case f.Link:
			out = append(out, f.Path+" link")
			continue
		case f.Deep:
			out = append(out, f.Path+" deep")
			continue
		}
		data, err := files.Read(f)
		if err != nil {
			return out, err
		}
		if int64(len(data)) != f.Size {
			t.Errorf("%s has %d bytes, not %d", f.Path, len(data), f.Size)
		}
		out = append(out, f.Path+" "+strings.TrimSpace(string(data)))
	}
	slices.Sort(out)
	return out, nil
}

func TestTheFilesOfACommit(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(gittest.Run(t, dir, args...))
	}
	git("init", "--quiet", "-b", "main")
	write := func(path, data string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("README", "hello\n")
	write("l/linux/linux", "url: x\n")
	write("l/größe", "")
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	git("add", ".")
	git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",sub")
	git("-c", "user.name=x", "-c", "user.email=x", "commit", "--quiet", "-m", "one")
	git("-c", "user.name=x", "-c", "user.email=x", "tag", "-a", "-m", "v", "v1")
	git("-c", "user.name=x", "-c", "user.email=x", "tag", "-a", "-m", "v", "v2", "v1")
	git("repack", "-adq")
	bare := filepath.Join(dir, ".git")
	want := []string{"README hello", "l/größe ", "l/linux/linux url: x", "link link", "sub link"}
	for _, tip := range []string{"HEAD", "v1", "v2"} {
		if got, err := list(t, bare, git("rev-parse", tip)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", tip, got, err)
		}
	}
	if _, err := list(t, bare, git("rev-parse", "HEAD:README")); !errors.Is(err, tree.ErrNoCommit) {
		t.Errorf("of a file: %v", err)
	}
	if _, err := list(t, bare, strings.Repeat("2", 40)); err == nil {
		t.Error("what is not there was opened")
	}
	// What is not all there is not told as if it were.
	write("deep/file", "x")
	git("add", "deep/file")
	git("-c", "user.name=x", "-c", "user.email=x", "commit", "--quiet", "-m", "two")
	id := git("rev-parse", "HEAD:deep")
	if err := os.Remove(filepath.Join(bare, "objects", id[:2], id[2:])); err != nil {
		t.Fatal(err)
	}
	if got, err := list(t, bare, git("rev-parse", "HEAD")); err == nil {
		t.Errorf("without a folder: %q", got)
	}
	// One entry of a folder is that folder's own folder, and so on.
	sub := git("mktree")
	for range 70 {
		cmd := fmt.Sprintf("040000 tree %s\tx\n", sub)
		path := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(path, []byte(cmd), 0o644); err != nil {
			t.Fatal(err)
		}
		sub = git("-c", "alias.m=!git mktree < "+path, "m")
	}
	commit := git("-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "deep", sub)
	want = []string{strings.Repeat("x/", tree.MaxDepth) + "x deep"}
	if got, err := list(t, bare, commit); err != nil || !slices.Equal(got, want) {
		t.Errorf("of 70 folders within each other: %q, %v", got, err)
	}
}
