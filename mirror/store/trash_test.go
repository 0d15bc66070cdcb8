package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitmirror/internal/disk"
	"gitmirror/internal/testlog"
	"gitmirror/mirror/store"
)

// thrown is a store whose repository was live at a generation, and is in the trash.
func thrown(t *testing.T, root string, n uint64, at time.Time, throw func(*store.Store, string, time.Time) error) *store.Store {
	t.Helper()
	s := reopen(t, root)
	r := ensure(t, s)
	for i := range n {
		prepare(t, r, generation(i+1, "refs/heads/main"))
		activate(t, r, generation(i+1, "refs/heads/main"))
	}
	if err := throw(s, id, at); err != nil {
		t.Fatal(err)
	}
	return s
}

// What was removed comes back as it was, in this run and after a restart; of several the
// furthest.
func TestARepositoryIsTakenBack(t *testing.T) {
	root, now := t.TempDir(), time.Now()
	thrown(t, root, 2, now, (*store.Store).Trash)
	s := thrown(t, root, 1, now.Add(time.Hour), (*store.Store).Trash)
	r, err := s.TakeBack(id)
	if err != nil || r == nil || s.Repo(id) != r || r.Name() != "acme/big" {
		t.Fatalf("taken back: %v, %v", r, err)
	}
	shows(t, r, generation(2, "refs/heads/main"))
	if again, err := s.TakeBack(id); again != nil || err != nil {
		t.Errorf("what is here is taken back: %v, %v", again, err)
	}
	s = reopen(t, root)
	shows(t, ensure(t, s), generation(2, "refs/heads/main"))
	if err := s.Trash(id, now); err != nil {
		t.Fatal(err)
	}
	if r, err = reopen(t, root).TakeBack(id); err != nil || r == nil {
		t.Fatalf("after a restart: %v, %v", r, err)
	}
	shows(t, r, generation(2, "refs/heads/main"))
}

// What cannot be read, was never live, is another's or is half deleted stays where it is.
func TestWhatIsNoWholeCopyIsNotTakenBack(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, root string){
		"thrown away as damaged": func(t *testing.T, root string) { thrown(t, root, 1, time.Now(), (*store.Store).Scrap) },
		"never live":             func(t *testing.T, root string) { thrown(t, root, 0, time.Now(), (*store.Store).Trash) },
		"a damaged table": func(t *testing.T, root string) {
			thrown(t, root, 1, time.Now(), (*store.Store).Trash)
			spoiled(t, root, "packed-refs")
		},
		"half deleted": func(t *testing.T, root string) {
			thrown(t, root, 1, time.Now(), (*store.Store).Trash)
			if err := os.Remove(filepath.Join(inTrash(t, root), "repo.json")); err != nil {
				t.Fatal(err)
			}
		},
		"another's": func(t *testing.T, root string) {
			thrown(t, root, 1, time.Now(), (*store.Store).Trash)
			if err := os.WriteFile(filepath.Join(inTrash(t, root), "repo.json"), []byte(`{"id":"01JREPO9","name":"x"}`), 0o644); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			spoil(t, root)
			there := inTrash(t, root)
			s := reopen(t, root)
			if r, err := s.TakeBack(id); r != nil || err != nil || s.Repo(id) != nil {
				t.Errorf("taken back: %v, %v", r, err)
			}
			if _, err := os.Stat(there); err != nil {
				t.Errorf("it is not in the trash any more: %v", err)
			}
			if err := s.EmptyTrash(time.Now().Add(2 * store.TrashAfter)); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(there); !os.IsNotExist(err) {
				t.Errorf("the trash was not emptied: %v", err)
			}
		})
	}
}

// A deletion that is cut short leaves nothing that could be taken for a copy.
func TestWhatIsHalfDeletedIsNoCopy(t *testing.T) {
	root := t.TempDir()
	thrown(t, root, 1, time.Now(), (*store.Store).Trash)
	d := disk.New(func(op disk.Op) error {
		if op.Name == "remove" && strings.HasPrefix(op.Path, filepath.Join(root, "trash")) && strings.HasSuffix(op.Path, ".git") {
			return syscall.EIO
		}
		return nil
	})
	s, err := store.Open(store.Config{Dir: root, StartID: "run", Disk: d, Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EmptyTrash(time.Now().Add(2 * store.TrashAfter)); !errors.Is(err, syscall.EIO) {
		t.Fatalf("EmptyTrash: %v", err)
	}
	if r, err := s.TakeBack(id); r != nil || err != nil {
		t.Errorf("taken back: %v, %v", r, err)
	}
}

func inTrash(t *testing.T, root string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "trash", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("in the trash are %v (%v)", found, err)
	}
	return found[0]
}

func spoiled(t *testing.T, root, file string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(inTrash(t, root), file), []byte("rubbish\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
