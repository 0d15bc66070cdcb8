package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"gitmirror/internal/testlog"
)

func open(t *testing.T, dir string) (*store, error) {
	t.Helper()
	return openStore(Config{Dir: dir, Log: testlog.New(t)}, hclog.NewNullLogger())
}

func mustOpen(t *testing.T, dir string) *store {
	t.Helper()
	s, err := open(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func entryAt(index uint64) *raft.Log {
	return &raft.Log{Index: index, Term: 3, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d %s", index, strings.Repeat("x", 80))}
}

// filled makes a store with entries 1 to n in term 3 and snapshots at the given
// indexes.
func filled(t *testing.T, n uint64, snapshots ...uint64) string {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, dir)
	var entries []*raft.Log
	for i := range n {
		entries = append(entries, entryAt(i+1))
	}
	if err := errors.Join(s.stable.StoreLogs(entries), s.stable.SetUint64([]byte(termKey), 3),
		s.stable.SetUint64([]byte("LastVoteTerm"), 3), s.stable.Set([]byte("LastVoteCand"), []byte("127.0.0.1:1"))); err != nil {
		t.Fatal(err)
	}
	for _, index := range snapshots {
		sink, err := s.snapshots.Create(1, index, 3, raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "b"}}}, 1, noTransport{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(sink, "state at %d", index); err != nil {
			t.Fatal(err)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	return dir
}

type noTransport struct{ raft.Transport }

func (noTransport) EncodePeer(id raft.ServerID, addr raft.ServerAddress) []byte { return []byte(addr) }

// spoil changes a record, in the way a disk would.
func spoil(t *testing.T, dir string, index uint64) {
	t.Helper()
	replaceIn(t, filepath.Join(dir, storeFile), fmt.Appendf(nil, "entry %d x", index), fmt.Appendf(nil, "entry %d y", index))
}

func replaceIn(t *testing.T, path string, old, now []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, old) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(data, old, now), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsFoundAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		snapshots []uint64
		damage    func(t *testing.T, dir string)
		want      *DamagedError // nil: tolerated
	}{
		"an entry without a snapshot":      {damage: func(t *testing.T, dir string) { spoil(t, dir, 5) }, want: &DamagedError{Index: 5}},
		"an entry above the snapshot":      {[]uint64{10}, func(t *testing.T, dir string) { spoil(t, dir, 11) }, &DamagedError{Index: 11}},
		"the last entry":                   {[]uint64{10}, func(t *testing.T, dir string) { spoil(t, dir, 20) }, &DamagedError{Index: 20}},
		"an entry that the snapshot has":   {[]uint64{10}, func(t *testing.T, dir string) { spoil(t, dir, 10) }, nil},
		"an entry before it":               {[]uint64{10}, func(t *testing.T, dir string) { spoil(t, dir, 2) }, nil},
		"an entry of the second snapshot":  {[]uint64{5, 10}, func(t *testing.T, dir string) { spoil(t, dir, 7) }, nil},
		"the only snapshot, log is whole":  {[]uint64{10}, func(t *testing.T, dir string) { spoilSnapshot(t, dir, 10) }, nil},
		"the second snapshot":              {[]uint64{5, 10}, func(t *testing.T, dir string) { spoilSnapshot(t, dir, 10) }, nil},
		"a snapshot and an entry it needs": {[]uint64{5, 10}, func(t *testing.T, dir string) { spoilSnapshot(t, dir, 10); spoil(t, dir, 7) }, &DamagedError{Value: "3-10-"}},
		"a snapshot, log is cut": {[]uint64{10}, func(t *testing.T, dir string) {
			spoilSnapshot(t, dir, 10)
			s := &store{}
			l, err := openLedger(nil, filepath.Join(dir, storeFile))
			if err != nil {
				t.Fatal(err)
			}
			s.ledger = l
			if err := l.drop(1, 6); err != nil {
				t.Fatal(err)
			}
			closed(t, s)
		}, &DamagedError{Value: "3-10-"}},
		"who votes, in a snapshot": {[]uint64{10}, func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(snapshotDir(t, dir, 10), "meta.json"), []byte(`"ID":"a"`), []byte(`"ID":"c"`))
		}, nil},
		"a snapshot, log has another past": {[]uint64{10}, func(t *testing.T, dir string) {
			from := snapshotDir(t, dir, 10)
			if err := os.Rename(from, strings.Replace(from, "3-10-", "4-10-", 1)); err != nil {
				t.Fatal(err)
			}
		}, &DamagedError{Value: "4-10-"}},
		"snapshots gone, log cut": {[]uint64{10}, func(t *testing.T, dir string) {
			l, err := openLedger(nil, filepath.Join(dir, storeFile))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(l.drop(1, 6), l.Close(), os.RemoveAll(filepath.Join(dir, snapshotFolder))); err != nil {
				t.Fatal(err)
			}
		}, &DamagedError{Index: 1}},
		"an entry in the middle gone": {[]uint64{10}, func(t *testing.T, dir string) {
			l, err := openLedger(nil, filepath.Join(dir, storeFile))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(l.drop(15, 15), l.Close()); err != nil {
				t.Fatal(err)
			}
		}, &DamagedError{Index: 15}},
		"the vote": {damage: func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, storeFile), []byte("127.0.0.1:1"), []byte("127.0.0.1:2"))
		}, want: &DamagedError{Value: "LastVoteCand"}},
		"a page": {damage: func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, storeFile), []byte("entry 5 "), []byte("entry 5 "))
			if err := os.Truncate(filepath.Join(dir, storeFile), 9000); err != nil {
				t.Fatal(err)
			}
		}, want: &DamagedError{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t, 20, c.snapshots...)
			c.damage(t, dir)
			s, err := open(t, dir)
			if c.want == nil {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				closed(t, s)
				if s, err = open(t, dir); err != nil {
					t.Fatalf("refused at the second start: %v", err)
				}
				closed(t, s)
				return
			}
			var got *DamagedError
			if !errors.As(err, &got) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("opened with %v, want one line about damage", err)
			}
			if got.Index != c.want.Index || !strings.Contains(got.Value+got.Path, c.want.Value) {
				t.Errorf("damage at %+v, want %+v", got, c.want)
			}
		})
	}
}

func snapshotDir(t *testing.T, dir string, index uint64) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, snapshotFolder, fmt.Sprintf("3-%d-*", index)))
	if err != nil || len(found) != 1 {
		t.Fatalf("snapshots at %d: %v, %v", index, found, err)
	}
	return found[0]
}

func spoilSnapshot(t *testing.T, dir string, index uint64) {
	t.Helper()
	replaceIn(t, filepath.Join(snapshotDir(t, dir, index), "state.bin"), []byte("state at"), []byte("State at"))
}

// raft puts no checksum over who votes.
func TestASnapshotWithOtherVotersIsNotUsed(t *testing.T) {
	dir := filled(t, 20, 10)
	id := filepath.Base(snapshotDir(t, dir, 10))
	replaceIn(t, filepath.Join(snapshotDir(t, dir, 10), "meta.json"), []byte(`"ID":"a"`), []byte(`"ID":"c"`))
	s := mustOpen(t, dir)
	defer s.Close()
	if _, err := os.Stat(filepath.Join(dir, damagedFolder, id)); err != nil {
		t.Errorf("it was not set aside: %v", err)
	}
	if left, err := s.snapshots.List(); err != nil || len(left) != 0 {
		t.Errorf("snapshots are %v, %v, want none", left, err)
	}
}

// Whatever happens to raft.db, it is refused in one line, or every entry and
// every value is what was written.
func TestNoDamageOfTheFileIsApplied(t *testing.T) {
	dir := filled(t, 200)
	path := filepath.Join(dir, storeFile)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for range 400 {
		b := bytes.Clone(sound)
		switch at := random.IntN(len(b)); random.IntN(4) {
		case 0, 1:
			b[at] ^= 1 << random.IntN(8)
		case 2:
			clear(b[at/512*512:][:512]) // a sector
		case 3:
			b = b[:at+1]
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := open(t, dir)
		if err != nil {
			if refused++; strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %v", err)
			}
			continue
		}
		for i := uint64(1); i <= 200; i++ {
			var got raft.Log
			if err := s.ledger.entry(i, &got); err != nil || !bytes.Equal(got.Data, entryAt(i).Data) {
				t.Fatalf("entry %d is %q, %v", i, got.Data, err)
			}
		}
		if voted, err := s.ledger.value([]byte("LastVoteCand")); err != nil || string(voted) != "127.0.0.1:1" {
			t.Fatalf("voted for %q, %v", voted, err)
		}
		closed(t, s)
	}
	if refused < 100 {
		t.Errorf("%d of 400 were refused, want at least 100", refused)
	}
}

// Before it starts, a node takes damage it can do without out of the way.
func TestAToleratedRecordIsNotSent(t *testing.T) {
	dir := filled(t, 20, 10)
	spoil(t, dir, 8)
	s := mustOpen(t, dir)
	defer s.Close()
	first, err := s.ledger.first()
	last, err2 := s.ledger.last()
	if err := errors.Join(err, err2); err != nil || first != 9 || last != 20 {
		t.Errorf("the log is from %d to %d, %v, want 9 to 20", first, last, err)
	}
}

// While a node runs, a damaged record is never handed to raft.
func TestADamagedRecordIsNeitherAppliedNorSent(t *testing.T) {
	s := mustOpen(t, filled(t, 20))
	var failed error
	s.ledger.failed = func(err error) { failed = err }
	if err := errors.Join(Spoil(&Cluster{store: s}, 8), Spoil(&Cluster{store: s}, 15)); err != nil {
		t.Fatal(err)
	}
	s.serve(func() uint64 { return 10 })
	var got raft.Log
	if err := s.GetLog(8, &got); !errors.Is(err, errSpoiled) || failed != nil {
		t.Fatalf("entry 8 was applied: got %v, the node ends with %v", err, failed)
	}
	if index := <-s.spoiled; index != 8 {
		t.Errorf("a snapshot is wanted for %d, want 8", index)
	}
	survived := false
	done := make(chan struct{})
	go func() { // as raft would
		defer close(done)
		_ = s.GetLog(15, &got)
		survived = true
	}()
	<-done
	var damaged *DamagedError
	if survived || !errors.As(failed, &damaged) || damaged.Index != 15 {
		t.Errorf("entry 15 was not applied: raft went on: %v; the node ends with %v", survived, failed)
	}
	if err := s.ledger.entry(1, &got); !errors.Is(err, ErrDamaged) {
		t.Errorf("the store is used after that: %v", err)
	}
}

// A snapshot that is found damaged is away before another is asked for: it must not be
// taken for that one.
func TestADamagedSnapshotIsAwayBeforeItIsReplaced(t *testing.T) {
	dir := filled(t, 20, 10)
	s := mustOpen(t, dir)
	defer s.Close()
	spoilSnapshot(t, dir, 10)
	s.snapshots.spoiled = func(index uint64) {
		if names, err := s.snapshots.list(); err != nil || len(names) > 0 || index != 10 {
			t.Errorf("asked for one in place of %d, with %v there, %v", index, names, err)
		}
	}
	metas, err := s.snapshots.List()
	if err != nil || len(metas) != 1 {
		t.Fatal(metas, err)
	}
	if _, _, err := s.snapshots.Open(metas[0].ID); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened with %v", err)
	}
}
