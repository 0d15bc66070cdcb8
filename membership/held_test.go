package membership_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/membership"
)

// It is told whether a node runs with a directory, and nothing is left in one where none does.
func TestHeld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if membership.Held(nil, dir) {
		t.Error("a directory that is not there is held")
	}
	lock, err := membership.Lock(context.Background(), nil, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !membership.Held(nil, dir) {
		t.Error("a directory that is held is not")
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if membership.Held(nil, dir) {
		t.Error("a directory is held by nobody")
	}
	if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(dir); membership.Held(nil, dir) || err != nil || len(list) > 0 {
		t.Errorf("in a directory that no node has had there is %v, %v", list, err)
	}
}
