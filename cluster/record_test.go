package cluster

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"

	"gitmirror/internal/boltfile"
)

func openedLedger(t *testing.T, path string) *ledger {
	t.Helper()
	l, err := openLedger(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestARecordKeepsWhatRaftStores(t *testing.T) {
	l := openedLedger(t, filepath.Join(t.TempDir(), storeFile))
	for index, want := range []raft.Log{
		1: {Index: 1, Term: 3, Type: raft.LogConfiguration, Data: []byte("data"), Extensions: []byte("more"), AppendedAt: time.Unix(5, 6)},
		2: {Index: 2, Term: 3, Type: raft.LogCommand, Data: []byte("data"), AppendedAt: time.Now()},
		3: {Index: 3, Term: 4, Type: raft.LogNoop},
	} {
		if index == 0 {
			continue
		}
		given := want
		if err := l.append([]*raft.Log{&given}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, given); diff != "" {
			t.Errorf("raft's own entry was changed: %s", diff)
		}
		var got raft.Log
		if err := l.entry(want.Index, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestChecksumsCoverEverything(t *testing.T) {
	sound := raft.Log{Index: 7, Term: 3, Type: raft.LogCommand, Data: []byte("data"), Extensions: []byte("more"), AppendedAt: time.Unix(5, 6)}
	for what, change := range map[string]func(l *raft.Log){
		"nothing":       nil,
		"index":         func(l *raft.Log) { l.Index++ },
		"term":          func(l *raft.Log) { l.Term++ },
		"type":          func(l *raft.Log) { l.Type = raft.LogNoop },
		"data":          func(l *raft.Log) { l.Data = []byte("dat") },
		"extensions":    func(l *raft.Log) { l.Extensions = append([]byte("m"), l.Extensions[2:]...) },
		"no extensions": func(l *raft.Log) { l.Extensions = nil },
		"the time":      func(l *raft.Log) { l.AppendedAt = time.Unix(5, 7) },
		"no time":       func(l *raft.Log) { l.AppendedAt = time.Time{} },
		"a border":      func(l *raft.Log) { l.Extensions, l.Data = append([]byte("mor"), l.Extensions[4:]...), []byte("edata") },
	} {
		got := sealed(&sound)
		if change == nil {
			if err := unseal(7, got); err != nil {
				t.Errorf("it is sound: %v", err)
			}
			continue
		}
		if change(got); !errors.Is(unseal(got.Index, got), errChecksum) {
			t.Errorf("%s was changed, which went unnoticed", what)
		}
	}
	if err := unseal(8, sealed(&sound)); !errors.Is(err, errChecksum) {
		t.Errorf("entry 7 was read as 8: %v", err)
	}
}

// Every bit of what raft-boltdb has written is flipped in the file.
func TestNoBitOfARecordFlipsUnnoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), storeFile)
	want := raft.Log{Index: 7, Term: 3, Type: raft.LogConfiguration, Data: []byte("data"), Extensions: []byte("more"), AppendedAt: time.Unix(5, 6).UTC()}
	l, err := openLedger(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.append([]*raft.Log{&want}), l.Close()); err != nil {
		t.Fatal(err)
	}
	record := storedRecord(t, path, 7)
	l = openedLedger(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(content, record)
	if at < 0 || bytes.Count(content, record) != 1 {
		t.Fatalf("the record is %d times in the file", bytes.Count(content, record))
	}
	unnoticed := 0
	for i := range len(record) * 8 {
		flip := func() { // bbolt maps the file, and sees it
			record[i/8] ^= 1 << (i % 8)
			if _, err := f.WriteAt(record[i/8:i/8+1], int64(at+i/8)); err != nil {
				t.Fatal(err)
			}
		}
		flip()
		var got raft.Log
		var damaged *DamagedError
		switch err := l.entry(7, &got); {
		case errors.As(err, &damaged) && damaged.Index == 7:
		case err != nil:
			t.Fatalf("bit %d has flipped: %v", i, err)
		case !cmp.Equal(want, got):
			t.Errorf("bit %d has flipped: %v", i, cmp.Diff(want, got))
		default:
			unnoticed++ // the same moment, in another time zone
		}
		flip()
	}
	if unnoticed > len(record)*8/30 {
		t.Errorf("%d of %d flips went unnoticed", unnoticed, len(record)*8)
	}
}

func storedRecord(t *testing.T, path string, index uint64) (record []byte) {
	t.Helper()
	db, err := boltfile.Open(nil, path, ledgerBuckets...)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		record = bytes.Clone(tx.Bucket([]byte("logs")).Get([]byte{7: byte(index)}))
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil || record == nil {
		t.Fatalf("the record is %q, %v", record, err)
	}
	return record
}

func TestValuesAreSealed(t *testing.T) {
	stable := raftLog{ledger: openedLedger(t, filepath.Join(t.TempDir(), storeFile))}
	if _, err := stable.GetUint64([]byte("other")); err == nil || err.Error() != "not found" {
		t.Errorf("a value that was never set: %v, and raft wants to hear: not found", err)
	}
	if err := errors.Join(stable.SetUint64([]byte(termKey), 7), stable.Set([]byte("LastVoteCand"), []byte("me"))); err != nil {
		t.Fatal(err)
	}
	if term, err := stable.GetUint64([]byte(termKey)); err != nil || term != 7 {
		t.Errorf("the term is %d, %v, want 7", term, err)
	}
	if voted, err := stable.Get([]byte("LastVoteCand")); err != nil || string(voted) != "me" {
		t.Errorf("the vote is %q, %v", voted, err)
	}
	raw, err := stable.bolt.Get([]byte("LastVoteCand"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(raw) * 8 {
		flipped := bytes.Clone(raw)
		flipped[i/8] ^= 1 << (i % 8)
		if _, err := unsealValue([]byte("LastVoteCand"), flipped); !errors.Is(err, errChecksum) {
			t.Fatalf("bit %d has flipped: %v", i, err)
		}
	}
	if _, err := unsealValue([]byte("LastVoteTerm"), raw); !errors.Is(err, errChecksum) {
		t.Errorf("one value was read as another: %v", err)
	}
}
