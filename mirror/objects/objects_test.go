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

// A pack whose index is not there yet, or not any more, keeps nobody from reading the others.
func TestAPackWithoutAnIndexIsNotThere(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		return strings.TrimSpace(gittest.Run(t, dir, append([]string{"-c", "user.name=n", "-c", "user.email=e"}, args...)...))
	}
	git("init", "--quiet")
	var commits []string
	for range 2 {
		git("commit", "--quiet", "--allow-empty", "-m", "one more")
		git("repack", "--quiet", "-d")
		commits = append(commits, git("rev-parse", "HEAD"))
	}
	indexes, err := filepath.Glob(filepath.Join(dir, ".git/objects/pack/*.idx"))
	if err != nil || len(indexes) != 2 {
		t.Fatal(indexes, err)
	}
	for _, index := range indexes {
		hidden := index + ".away"
		if err := os.Rename(index, hidden); err != nil {
			t.Fatal(err)
		}
		repo, err := objects.Open(nil, filepath.Join(dir, ".git"), objects.Bounds{Indexes: 1 << 20, Cached: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for _, id := range commits {
			if _, err := objects.CommitOf(repo, plumbing.NewHash(id)); err == nil {
				read++
			} else if !errors.Is(err, plumbing.ErrObjectNotFound) {
				t.Errorf("%s: %v", id, err)
			}
		}
		if read != 1 {
			t.Errorf("%d commits are read of the pack that is left", read)
		}
		if err := errors.Join(repo.Close(), os.Rename(hidden, index)); err != nil {
			t.Fatal(err)
		}
	}
}

// Packs that go while they are looked for, as others come in their place, are no reason to read nothing.
func TestPacksMayGoWhileTheyAreLookedFor(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		return strings.TrimSpace(gittest.Run(t, dir, append([]string{"-c", "user.name=n", "-c", "user.email=e"}, args...)...))
	}
	git("init", "--quiet")
	git("commit", "--quiet", "--allow-empty", "-m", "one")
	git("repack", "--quiet", "-d")
	stays := git("rev-parse", "HEAD")
	git("commit", "--quiet", "--allow-empty", "-m", "two")
	git("repack", "--quiet", "-d")
	packs, err := filepath.Glob(filepath.Join(dir, ".git/objects/pack/*.idx"))
	if err != nil || len(packs) != 2 {
		t.Fatal(packs, err)
	}
	goes := packs[0]
	if strings.Contains(git("verify-pack", "-v", goes), stays) {
		goes = packs[1]
	}
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := errors.Join(os.Rename(goes, goes+".away"), os.Rename(goes+".away", goes)); err != nil {
				done <- err
				return
			}
		}
	}()
	failed := 0
	for range 300 {
		repo, err := objects.Open(nil, filepath.Join(dir, ".git"), objects.Bounds{Indexes: 1 << 20, Cached: 1 << 20})
		if err != nil {
			failed++ // it went each time: nothing that lives does that
			continue
		}
		if _, err := objects.CommitOf(repo, plumbing.NewHash(stays)); err != nil {
			t.Error(err)
		}
		_ = repo.Close()
	}
	close(stop)
	if err := <-done; err != nil || failed > 30 {
		t.Errorf("%v; of 300 %d were not opened", err, failed)
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
