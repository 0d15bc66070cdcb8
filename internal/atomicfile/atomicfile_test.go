package atomicfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/internal/atomicfile"
)

func TestWriteReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"a long first content", "short", ""} {
		if err := atomicfile.Write(nil, path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Fatalf("%q, %v, want %q", got, err, content)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

// A reader that is in the middle of the old file goes on to read the old file.
func TestReaderKeepsTheOldContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	old := bytes.Repeat([]byte("old "), 10_000)
	if err := atomicfile.Write(nil, path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := atomicfile.Write(nil, path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(old))
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, old) {
		t.Errorf("the old content changed under its reader: %v", err)
	}
}

func TestFailedWriteLeavesTheOldContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.Mkdir(path, 0o755); err != nil { // a rename over a directory fails
		t.Fatal(err)
	}
	if err := atomicfile.Write(nil, path, []byte("x"), 0o600); err == nil {
		t.Fatal("replaced a directory")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "f" {
		t.Errorf("a failed write left %v, %v", left, err)
	}
	if err := atomicfile.Write(nil, filepath.Join(dir, "missing", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := atomicfile.WriteBeside(nil, from, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Rename(nil, from, to); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Rename(nil, from, to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("renaming what is not there: %v", err)
	}
}
