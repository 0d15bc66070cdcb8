package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/testlog"
	"gitmirror/mirror/store"
)

// A symbolic link in the place of a directory is not followed, wherever it stands:
// nothing is written, swept or deleted behind it.
func TestNoLinkIsFollowed(t *testing.T) {
	shard := filepath.Join("repos", "o1")
	repo := filepath.Join(shard, id+".git")
	for _, c := range []struct {
		place  string
		starts bool // the node, without that repository
	}{
		{"repos", false}, {"trash", false}, {"staging", false},
		{shard, true}, {repo, true}, {filepath.Join(repo, "objects"), true}, {filepath.Join(repo, "objects", "pack"), true},
	} {
		t.Run(c.place, func(t *testing.T) {
			root, elsewhere := t.TempDir(), t.TempDir()
			ensure(t, reopen(t, root))
			there := filepath.Join(elsewhere, "there")
			if err := os.Rename(filepath.Join(root, c.place), there); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(there, filepath.Join(root, c.place)); err != nil {
				t.Fatal(err)
			}
			for _, f := range []string{"precious.tmp", "tmp_precious"} {
				write(t, filepath.Join(there, f))
			}
			before := files(t, elsewhere)
			s, err := store.Open(store.Config{Dir: root, StartID: "another", Log: testlog.New(t)})
			if c.starts != (err == nil) || err != nil && !errors.Is(err, store.ErrNotOurs) {
				t.Fatalf("Open: %v", err)
			}
			if err == nil {
				if s.Repo(id) != nil {
					t.Error("it is taken for a repository")
				}
				_, err := s.Ensure(id, "other/name")
				inside := slices.Contains([]string{filepath.Join(repo, "objects"), filepath.Join(repo, "objects", "pack")}, c.place)
				if !inside && !errors.Is(err, store.ErrNotOurs) {
					t.Errorf("Ensure: %v", err)
				}
			}
			if d := cmp.Diff(before, files(t, elsewhere)); d != "" {
				t.Errorf("behind the link:\n%s", d)
			}
		})
	}
}

// A directory that became another repository's while we run is not written to.
func TestNothingIsWrittenToAnothersDirectory(t *testing.T) {
	root := t.TempDir()
	s := reopen(t, root)
	r := ensure(t, s)
	if err := os.WriteFile(filepath.Join(r.Dir(), "repo.json"), []byte(`{"id":"01JOTHER","name":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	before := files(t, root)
	st, err := s.Stage(r)
	if err != nil {
		t.Fatal(err)
	}
	_, renamed := s.Ensure(id, "new/name")
	for what, err := range map[string]error{"prepare": r.Prepare(generation(1, "refs/heads/main"), nil), "set aside": r.SetAside(generation(1)), "adopt": st.Adopt(), "rename": renamed} {
		if !errors.Is(err, store.ErrNotOurs) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := st.Remove(); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff(before, files(t, root)); d != "" {
		t.Errorf("after all:\n%s", d)
	}
	again := reopen(t, root)
	if _, err := again.Ensure(id, "acme/big"); !errors.Is(err, store.ErrNotOurs) {
		t.Errorf("another's directory in the way: %v", err)
	}
}

// A trash that is a link takes nothing.
func TestTrashIsNoLink(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	s := reopen(t, root)
	r := ensure(t, s)
	if err := os.Remove(filepath.Join(root, "trash")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(root, "trash")); err != nil {
		t.Fatal(err)
	}
	if err := s.Trash(id, time.Now()); !errors.Is(err, store.ErrNotOurs) {
		t.Errorf("Trash: %v", err)
	}
	if s.Repo(id) != r || len(files(t, elsewhere)) > 0 {
		t.Error("it went through the link")
	}
}
