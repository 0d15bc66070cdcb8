package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/testlog"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

const id = "01JREPO1"

// reopen is what a start does after whatever ended the last run.
func reopen(t *testing.T, root string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{Dir: root, StartID: "run", Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ensure(t *testing.T, s *store.Store) *store.Repo {
	t.Helper()
	r, err := s.Ensure(id, "acme/big")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func generation(n uint64, names ...string) *refs.Table {
	table := &refs.Table{Generation: n, Candidate: "CANDIDATE", Head: refs.Symbolic("refs/heads/main")}
	for _, name := range names {
		table.Refs = append(table.Refs, refs.Ref{Name: name, OID: strings.Repeat("a", 40)})
	}
	refs.Sort(table.Refs)
	return table
}

func prepare(t *testing.T, r *store.Repo, table *refs.Table) {
	t.Helper()
	if err := r.Prepare(table, nil); err != nil {
		t.Fatal(err)
	}
}

func activate(t *testing.T, r *store.Repo, table *refs.Table) {
	t.Helper()
	if ok, err := r.Activate(table.Generation, table.Digest()); !ok || err != nil {
		t.Fatalf("activate generation %d: %v, %v", table.Generation, ok, err)
	}
}

// shows checks what is live, in memory and, when the store is opened anew, on
// disk.
func shows(t *testing.T, r *store.Repo, want *refs.Table) {
	t.Helper()
	got, err := r.Table()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("live table:\n%s", d)
	}
	if g, digest := r.Generation(); g != want.Generation || want.Generation > 0 && digest != want.Digest() {
		t.Fatalf("generation %d %s, want %d %s", g, digest, want.Generation, want.Digest())
	}
}

func damage(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// files lists what there is below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
