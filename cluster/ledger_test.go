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

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"gitmirror/internal/boltfile"
)

// A delete takes the records it is told, over many pages and in the middle of some.
func TestDropTakesWhatItIsTold(t *testing.T) {
	l := openedLedger(t, filepath.Join(t.TempDir(), storeFile))
	const n = 400
	for _, size := range []int{10, 700, 9000} { // of a page are 4096
		for _, c := range []struct{ first, last uint64 }{{0, 0}, {0, 1}, {1, 1}, {1, 150}, {77, 77}, {77, 301}, {399, 400}, {300, 500}, {1, n}} {
			var entries []*raft.Log
			for i := range uint64(n) {
				entries = append(entries, &raft.Log{Index: i + 1, Data: bytes.Repeat([]byte{byte(i)}, size)})
			}
			if err := errors.Join(l.append(entries), l.drop(c.first, c.last)); err != nil {
				t.Fatal(err)
			}
			for i := range uint64(n) {
				var got raft.Log
				err := l.entry(i+1, &got)
				gone := errors.Is(err, raft.ErrLogNotFound)
				if want := c.first <= i+1 && i+1 <= c.last; gone != want || err != nil && !gone {
					t.Fatalf("entry %d of %d bytes after dropping %d to %d: %v", i+1, size, c.first, c.last, err)
				}
			}
		}
	}
}

// The decoder of raft-boltdb recovers from a fault of the memory map. That is no
// record to be mended.
func TestACutFileIsNoSpoiledRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), storeFile)
	l := openedLedger(t, path)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := l.append([]*raft.Log{{Index: 1, Data: data}}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(content, data)
	if err := os.Truncate(path, int64(at+len(data)/2)); err != nil {
		t.Fatal(err)
	}
	var got raft.Log
	var damaged *DamagedError
	if err := l.entry(1, &got); !errors.As(err, &damaged) || damaged.Index != 0 || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line about the file", err)
	}
	if l.failure() == nil {
		t.Error("the file is used after that")
	}
}

// Whatever happens to the file of a running node, its process goes on until it
// ends in order; so it does when a commit fails and has to be taken back.
func TestNoDamageOfAnOpenFileEndsTheProcess(t *testing.T) {
	sound, err := os.ReadFile(filepath.Join(filled(t, 200), storeFile))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ended := 0
	for round := range 150 {
		// An abandoned file stays locked: bbolt has it mapped.
		path := filepath.Join(dir, fmt.Sprint(round))
		if err := os.WriteFile(path, sound, 0o600); err != nil {
			t.Fatal(err)
		}
		var file *os.File
		l := &ledger{path: path, failed: func(error) {}}
		err := boltfile.OpenBy(nil, path, ledgerBuckets, func(options *bbolt.Options) (err error) {
			options.NoSync = true
			options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			}
			l.bolt, err = raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: options, NoSync: true})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		damageOpen(t, path, random)
		if round%2 == 0 { // no commit succeeds any more
			_ = file.Close()
			_ = l.append([]*raft.Log{entryAt(201)})
		}
		for i := uint64(1); i <= 200 && l.failure() == nil; i++ {
			var got raft.Log
			if err := l.entry(i, &got); err == nil && !bytes.Equal(got.Data, entryAt(i).Data) {
				t.Fatalf("entry %d is %q", i, got.Data)
			}
		}
		_ = l.append([]*raft.Log{entryAt(201), entryAt(202)})
		_ = l.setValue([]byte(termKey), []byte("12345678"))
		_ = l.drop(0, 100)
		if err := l.failure(); err != nil {
			if ended++; strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %v", err)
			}
		} else if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
	}
	if ended < 75 {
		t.Errorf("%d of 150 were noticed, want at least those that could not be written", ended)
	}
}

// damageOpen changes some pages of a file in place, all but their overflow: bbolt
// frees as many pages as that says, be it billions.
func damageOpen(t *testing.T, path string, random *rand.Rand) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for range 1 + random.IntN(6) {
		garbage := make([]byte, 4096)
		if random.IntN(2) == 0 {
			garbage = fmt.Appendf(nil, "%012x\x00\x00\x00\x00%048x", random.Uint64()>>16, random.Uint64())
		}
		page := 2 + random.Int64N(info.Size()/4096-2)
		if _, err := f.WriteAt(garbage, page*4096); err != nil {
			t.Fatal(err)
		}
	}
}
