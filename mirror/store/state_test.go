package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitmirror/mirror/store"
)

func openState(t *testing.T, root string) *store.State {
	t.Helper()
	s, err := store.OpenState(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStateRoundTrip(t *testing.T) {
	root := t.TempDir()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	want := store.Due{LastCheck: at, NextCheck: at.Add(time.Minute), Failures: 3}
	s := openState(t, root)
	s.Remember("a", want)
	s.Remember("b", store.Due{})
	s.Remember("gone", want)
	if got, ok := s.Due("a"); !ok || got != want {
		t.Errorf("before a flush: %+v %v", got, ok)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	s.Forget("gone")
	if _, ok := s.Due("gone"); ok {
		t.Error("forgotten, but still there before the flush")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openState(t, root)
	defer s.Close()
	got, ok := s.Due("a")
	if d := cmp.Diff(want, got); !ok || d != "" {
		t.Errorf("after a restart: %v\n%s", ok, d)
	}
	if got, ok := s.Due("b"); !ok || got != (store.Due{}) {
		t.Errorf("an empty one: %+v %v", got, ok)
	}
	for _, id := range []string{"gone", "never"} {
		if got, ok := s.Due(id); ok {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

func TestFlushWithoutNewsWritesNothing(t *testing.T) {
	root := t.TempDir()
	s := openState(t, root)
	defer s.Close()
	s.Remember("a", store.Due{Failures: 1})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(root, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(root, "state.db"))
	if err != nil || string(before) != string(after) {
		t.Errorf("a flush without news changed the file (%v)", err)
	}
}

func TestStateInUseOrDamaged(t *testing.T) {
	root := t.TempDir()
	s := openState(t, root)
	if _, err := store.OpenState(root); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "state.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("rubbish ", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenState(root); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged file: %v, want an error that names it", err)
	}
}
