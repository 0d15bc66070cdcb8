package store_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/disk"
	"gitmirror/internal/testlog"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// life is all that a store does to its disk, up to the first error. It tells which
// generation was said to be live last.
func life(t *testing.T, d *disk.Disk, root string, tables ...*refs.Table) (live uint64, err error) {
	s, err := store.Open(store.Config{Dir: root, StartID: "run", Disk: d, Log: testlog.New(t)})
	if err != nil {
		return 0, err
	}
	r, err := s.Ensure(id, "acme/big")
	if err != nil {
		return 0, err
	}
	for _, table := range tables {
		if err := stage(s, r); err != nil {
			return live, err
		}
		if live > 0 {
			old, err := r.Table()
			if err != nil {
				return live, err
			}
			if err := r.SetAside(old); err != nil {
				return live, err
			}
		}
		if err := r.Prepare(table, nil); err != nil {
			return live, err
		}
		if ok, err := r.Activate(table.Generation, table.Digest()); !ok || err != nil {
			return live, err
		}
		live = table.Generation
		if err := r.DropAside(live - 1); err != nil {
			return live, err
		}
	}
	if _, err := s.Ensure(id, "acme/renamed"); err != nil {
		return live, err
	}
	if _, err := s.Ensure("01JREPO2", "acme/gone"); err != nil {
		return live, err
	}
	if err := s.Trash("01JREPO2", time.Now()); err != nil {
		return live, err
	}
	return live, s.EmptyTrash(time.Now().Add(2 * store.TrashAfter))
}

// stage adopts a pack that git has brought.
func stage(s *store.Store, r *store.Repo) error {
	st, err := s.Stage(r)
	if st != nil {
		defer func() { _ = st.Remove() }()
	}
	if err != nil {
		return err
	}
	for _, name := range []string{"pack-1.pack", "pack-1.idx"} {
		if err := os.WriteFile(filepath.Join(st.Dir(), "objects/pack", name), []byte("x"), 0o644); err != nil {
			return err
		}
	}
	return st.Adopt()
}

// Whatever the disk refuses, once or from then on, the next start finds the generation
// that was said to be live, or the one after it, whole; and goes on from there.
func TestWhateverTheDiskRefusesOneGenerationIsThere(t *testing.T) {
	tables := []*refs.Table{generation(1, "refs/heads/main"), generation(2, "refs/heads/main", "refs/heads/side")}
	all := 0
	if live, err := life(t, disk.New(func(disk.Op) error { all++; return nil }), t.TempDir(), tables...); live != 2 || err != nil {
		t.Fatalf("generation %d, %v", live, err)
	}
	step := 11
	if os.Getenv("GITMIRROR_LONG") != "" {
		step = 1
	}
	for name, refuses := range map[string]func(n, at int) bool{
		"once":         func(n, at int) bool { return n == at },
		"from then on": func(n, at int) bool { return n >= at },
	} {
		for at := 0; at < all; at += step {
			root, n := t.TempDir(), -1
			var op disk.Op
			live, err := life(t, disk.New(func(o disk.Op) error {
				if n++; refuses(n, at) {
					if n == at {
						op = o
					}
					return syscall.EIO
				}
				return nil
			}), root, tables...)
			got := whole(t, root, tables)
			if got < live || got > live+1 || live < 2 && err == nil {
				t.Errorf("%s refused %s: generation %d is said to be live (%v), the next start has %d", op, name, live, err, got)
			}
			if live, err := life(t, nil, root, tables[got:]...); err != nil || max(got, live) < 2 {
				t.Errorf("%s refused %s: the next start does not go on: %v", op, name, err)
			}
		}
	}
}

// whole opens a store as it was left, and returns its generation, which must be one of tables.
func whole(t *testing.T, root string, tables []*refs.Table) uint64 {
	t.Helper()
	r := reopen(t, root).Repo(id)
	if r == nil {
		return 0
	}
	got, err := r.Table()
	if err != nil {
		t.Fatal(err)
	}
	if got.Generation == 0 {
		return 0
	}
	if d := cmp.Diff(tables[got.Generation-1], got); d != "" {
		t.Fatal(d)
	}
	for _, name := range []string{"pack-1.pack", "pack-1.idx"} {
		if _, err := os.Stat(filepath.Join(r.Dir(), "objects/pack", name)); err != nil {
			t.Error(err)
		}
	}
	return got.Generation
}
