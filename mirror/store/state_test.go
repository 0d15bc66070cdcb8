package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/testlog"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

func openState(t *testing.T, root string) *store.State {
	t.Helper()
	s, err := store.OpenState(store.Config{Dir: root, Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStateRoundTrip(t *testing.T) {
	root := t.TempDir()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	want := work.Due{LastCheck: at, NextCheck: at.Add(time.Minute), Failures: 3, Rhythm: []float32{1, 2.5, 3}, Refused: 4, RefusedSince: at}
	s := openState(t, root)
	s.Remember("a", want)
	s.Remember("b", work.Due{})
	s.Remember("gone", want)
	if got, ok := s.Due("a"); !ok || !cmp.Equal(want, got) {
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
	if got, ok := s.Due("b"); !ok || !cmp.Equal(got, work.Due{}) {
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
	s.Remember("a", work.Due{Failures: 1})
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

func TestStateInUse(t *testing.T) {
	root := t.TempDir()
	s := openState(t, root)
	if _, err := store.OpenState(store.Config{Dir: root, Log: testlog.New(t)}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// state.db is a cache: damage costs checks, never the start.
func TestADamagedStateIsSetAside(t *testing.T) {
	for name, spoil := range map[string]func(b []byte) []byte{
		"rubbish":        func([]byte) []byte { return []byte(strings.Repeat("rubbish ", 4096)) },
		"cut":            func(b []byte) []byte { return b[:5000] },
		"a meta page":    func(b []byte) []byte { b[4096+20] ^= 1; return b },
		"pages of zeros": func(b []byte) []byte { clear(b[2*4096:]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := openState(t, root)
			s.Remember("a", work.Due{Failures: 1})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(root, "state.db")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, spoil(b), 0o600); err != nil {
				t.Fatal(err)
			}
			works(t, openState(t, root), root)
		})
	}
}

func TestAStateDamagedInUseIsSetAside(t *testing.T) {
	root := t.TempDir()
	s := openState(t, root)
	if err := os.Truncate(filepath.Join(root, "state.db"), 4096); err != nil {
		t.Fatal(err)
	}
	s.Remember("lost", work.Due{Failures: 1})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	works(t, s, root)
}

// works wants the state to remember again, and the damaged file to be kept.
func works(t *testing.T, s *store.State, root string) {
	t.Helper()
	if _, ok := s.Due("a"); ok {
		t.Error("something is remembered from a damaged file")
	}
	s.Remember("b", work.Due{Failures: 2})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openState(t, root)
	defer s.Close()
	if got, ok := s.Due("b"); !ok || got.Failures != 2 {
		t.Errorf("remembered %+v, %v", got, ok)
	}
	if kept, err := filepath.Glob(filepath.Join(root, "state.db.damaged-*")); err != nil || len(kept) != 1 {
		t.Errorf("set aside: %v, %v, want one file", kept, err)
	}
}
