package cluster

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// crashing opens a store, runs what raft does to it, and opens it again as after a
// crash.
func crashing(t *testing.T, cfg Config, do func(s *store)) error {
	t.Helper()
	s, err := openStore(cfg, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	do(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openStore(cfg, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	return again.Close()
}

func entries(term uint64, indexes ...uint64) []*raft.Log {
	var list []*raft.Log
	for _, i := range indexes {
		list = append(list, &raft.Log{Index: i, Term: term, Data: []byte{byte(i)}})
	}
	return list
}

// A leader overwrites what was never committed, and a crash between any two writes
// leaves a log that goes on.
func TestALogThatRaftMadeShorterIsNotRefused(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Dir: filepath.Join(dir, "raft"), Mark: filepath.Join(dir, "raft.mark"), Log: slog.New(slog.DiscardHandler)}
	for _, step := range []struct {
		name string
		do   func(s *store) error
	}{
		{"append", func(s *store) error { return s.stable.StoreLogs(entries(1, 1, 2, 3, 4, 5)) }},
		{"drop the end", func(s *store) error { return s.stable.DeleteRange(3, 5) }},
		{"append another end", func(s *store) error { return s.stable.StoreLogs(entries(2, 3)) }},
		{"drop all", func(s *store) error { return s.stable.DeleteRange(1, 3) }},
		{"found halfway", func(s *store) error { return s.stable.SetUint64([]byte(termKey), bootstrapTerm) }},
		{"forget that", func(s *store) error {
			s.ledger.mark.file.Close() // the crash comes before the mark can follow
			_ = s.forgetHalfFounded()
			s.ledger.mark = nil
			return nil
		}},
	} {
		err := crashing(t, cfg, func(s *store) {
			if err := step.do(s); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
		})
		if err != nil {
			t.Fatalf("after %s: %v", step.name, err)
		}
	}
}

// A vote that was given is not in an older log of the same length.
func TestALogWithoutItsLastVoteIsRefused(t *testing.T) {
	for _, key := range []string{termKey, voteTermKey} {
		dir := t.TempDir()
		cfg := Config{Dir: filepath.Join(dir, "raft"), Mark: filepath.Join(dir, "raft.mark"), Log: slog.New(slog.DiscardHandler)}
		err := crashing(t, cfg, func(s *store) {
			if err := s.stable.SetUint64([]byte(key), 7); err != nil {
				t.Fatal(err)
			}
			s.ledger.mark.file.Close() // what follows is as it was before
			if err := s.stable.SetUint64([]byte(key), 6); err != nil {
				t.Fatal(err)
			}
			s.ledger.mark = nil
		})
		if !errors.Is(err, ErrLogLost) {
			t.Errorf("%s: opened with %v, want ErrLogLost", key, err)
		}
	}
}

// A record that a snapshot has is dropped when it is damaged, the last one too: the
// mark knows.
func TestADamagedRecordThatASnapshotHasIsNoOlderLog(t *testing.T) {
	cfg := Config{Dir: filled(t, 20, 20), Mark: filepath.Join(t.TempDir(), "raft.mark"), Log: slog.New(slog.DiscardHandler)}
	if err := crashing(t, cfg, func(*store) {}); err != nil { // from now on there is a mark
		t.Fatal(err)
	}
	spoil(t, cfg.Dir, 20)
	for range 2 {
		if err := crashing(t, cfg, func(*store) {}); err != nil {
			t.Fatal(err)
		}
	}
}

// A mark that cannot be written refuses nothing.
func TestAMarkThatCannotBeOpenedRefusesNothing(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Dir: filepath.Join(dir, "raft"), Mark: dir, Log: slog.New(slog.DiscardHandler)} // a directory
	if err := crashing(t, cfg, func(s *store) {
		if err := s.stable.StoreLogs(entries(1, 1, 2, 3)); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Error(err)
	}
}

// A new mark knows at once what the log has.
func TestANewMarkBeginsWhereTheLogIs(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Dir: filepath.Join(dir, "raft"), Log: slog.New(slog.DiscardHandler)}
	if err := crashing(t, cfg, func(s *store) {
		if err := errors.Join(s.stable.StoreLogs(entries(3, 1, 2)), s.stable.SetUint64([]byte(termKey), 3), s.stable.SetUint64([]byte(voteTermKey), 3)); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	cfg.Mark = filepath.Join(dir, "raft.mark")
	if err := crashing(t, cfg, func(s *store) {
		if want := (reach{term: 3, index: 2, current: 3, voted: 3}); s.ledger.mark.at != want {
			t.Errorf("the mark is %+v, want %+v", s.ledger.mark.at, want)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
