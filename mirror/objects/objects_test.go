package objects_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/internal/gittest"
	"gitmirror/mirror/objects"
)

func TestACommitIsWhatTagsLeadTo(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		return strings.TrimSpace(gittest.Run(t, dir, append([]string{"-c", "user.name=n", "-c", "user.email=e"}, args...)...))
	}
	git("init", "--quiet")
	git("commit", "--quiet", "--allow-empty", "-m", "one")
	commit, last := git("rev-parse", "HEAD"), "HEAD"
	tags := make([]string, 12)
	for i := range tags { // each of the one before
		name := "t" + strings.Repeat("x", i)
		git("tag", "-a", "-m", "tag", name, last)
		last, tags[i] = name, git("rev-parse", name)
	}
	repo, err := objects.Open(nil, filepath.Join(dir, ".git"), objects.Bounds{Indexes: 1 << 20, Cached: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	for _, c := range []struct{ what, id, want string }{
		{"a commit", commit, commit}, {"a tag", tags[0], commit}, {"a tag of tags", tags[8], commit},
		{"more tags than anybody makes", tags[11], ""}, {"a tree", git("rev-parse", "HEAD^{tree}"), ""},
	} {
		got, err := objects.CommitOf(repo, plumbing.NewHash(c.id))
		if err != nil || (got != nil) != (c.want != "") || got != nil && got.Hash.String() != c.want {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
	if _, err := objects.CommitOf(repo, plumbing.NewHash(strings.Repeat("1", 40))); err == nil {
		t.Error("what is not there leads to something")
	}
}

// go-git would have all of the indexes in memory.
func TestWhatIsTooLargeIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	if _, err := objects.Open(nil, dir, objects.Bounds{}); err == nil {
		t.Error("what is no repository is opened")
	}
	packs := filepath.Join(dir, "objects", "pack")
	if err := os.MkdirAll(packs, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.idx", "b.idx", "b.pack"} {
		if err := os.WriteFile(filepath.Join(packs, name), make([]byte, 500), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for most, fits := range map[int64]bool{999: false, 1000: true} {
		repo, err := objects.Open(nil, dir, objects.Bounds{Indexes: most})
		if fits != (err == nil) || !fits && !errors.Is(err, objects.ErrTooLarge) {
			t.Errorf("of 1000 bytes %d are read: %v", most, err)
		}
		if err == nil {
			_ = repo.Close()
		}
	}
}
