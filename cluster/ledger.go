package cluster

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gitmirror/internal/boltfile"
	"gitmirror/internal/disk"
)

// ledgerBuckets are raft-boltdb's.
var ledgerBuckets = []string{"conf", "logs"}

// errNoValue is raft's way to say that a key was never set: it compares the
// text, which is raft-boltdb's.
var errNoValue = raftboltdb.ErrKeyNotFound

// ledger is raft.db: raft-boltdb's log and raft's few values, each with a checksum
// that is verified at every read.
//
// The first write that fails, and the first damage outside of a record, is its
// last: it reports that on failed, and nothing is read or written any more. What
// a disk did not take once may look written, and may be gone after the next
// power cut.
type ledger struct {
	bolt   *raftboltdb.BoltStore
	path   string
	disk   *disk.Disk
	writes writes
	mark   *highMark   // nil while the file is being made, or where there is none
	failed func(error) // told once, of the first failure

	mu     sync.Mutex
	broken error
}

func openLedger(d *disk.Disk, path string) (*ledger, error) { return openLedgerTo(d, path, false) }

// openLedgerTo opens it for reading alone, or to be written too: that writes to it at once.
func openLedgerTo(d *disk.Disk, path string, onlyRead bool) (*ledger, error) {
	l := &ledger{path: path, disk: d, failed: func(error) {}}
	err := boltfile.OpenBy(d, path, ledgerBuckets, func(options *bbolt.Options) (err error) {
		options.ReadOnly = onlyRead
		l.bolt, err = raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: options, NoSync: options.NoSync})
		return err
	})
	switch {
	case errors.Is(err, boltfile.ErrInUse):
		return nil, ErrLocked
	case errors.Is(err, boltfile.ErrDamaged):
		return nil, &DamagedError{Path: path, Err: err}
	case err != nil:
		return nil, &StoreError{Op: "open", Path: path, Err: err}
	}
	return l, nil
}

// fail makes err the end of the ledger, unless something else was before.
func (l *ledger) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = err
		l.failed(err)
	}
	return l.broken
}

func (l *ledger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// do runs a call of raft-boltdb. Any error of it is the end.
func (l *ledger) do(op string, call func() error) error {
	if err := l.failure(); err != nil {
		return err
	}
	err := l.disk.Announce(op, l.path)
	if err == nil {
		err = boltfile.Guard(call)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return ErrClosed
	case errors.Is(err, boltfile.ErrDamaged):
		return l.fail(&DamagedError{Path: l.path, Err: err})
	}
	return l.fail(&StoreError{Op: op, Path: l.path, Err: err})
}

// write is do for what changes the file, and returns when that is durable.
func (l *ledger) write(op string, call func() error) error {
	defer l.writes.begin(op)()
	return l.do(op, call)
}

// Close leaves the file alone after a failure: bbolt's locks may be taken.
func (l *ledger) Close() error {
	if l.failure() != nil {
		return l.mark.Close()
	}
	return errors.Join(l.bolt.Close(), l.mark.Close())
}

// first is the index of the first record, or 0 of an empty log.
func (l *ledger) first() (uint64, error) { return l.end(l.bolt.FirstIndex) }

// last is the index of the last record, or 0 of an empty log.
func (l *ledger) last() (uint64, error) { return l.end(l.bolt.LastIndex) }

func (l *ledger) end(call func() (uint64, error)) (index uint64, err error) {
	err = l.do("read", func() (err error) {
		index, err = call()
		return err
	})
	return index, err
}

// entry reads a record. It fails with raft.ErrLogNotFound where there is none,
// and with a *DamagedError that has the index where it is not what was written.
func (l *ledger) entry(index uint64, into *raft.Log) error {
	var record raft.Log
	var wrong error // with the record, and not with the file
	err := l.do("read", func() error {
		err := l.bolt.GetLog(index, &record)
		switch {
		case err == nil:
			err = unseal(index, &record)
		case errors.Is(err, raft.ErrLogNotFound):
			wrong = raft.ErrLogNotFound
			return nil
		case errors.Is(err, bolterrors.ErrDatabaseNotOpen), errors.Is(err, bolterrors.ErrInvalidMapping):
			return err
		case faulted(err):
			return fmt.Errorf("%w (%v)", boltfile.ErrDamaged, err)
		default:
			err = errEncoding
		}
		if err != nil {
			wrong = &DamagedError{Path: l.path, Index: index, Err: err}
		}
		return nil
	})
	if err == nil && wrong == nil {
		*into = record
	}
	return cmp.Or(err, wrong)
}

// faulted says whether the decoder of raft-boltdb, which recovers from all that
// happens to it, met a fault of the memory map.
func faulted(err error) bool {
	var recovered interface{ Cause() error }
	var fault interface{ Addr() uintptr } // see debug.SetPanicOnFault
	return errors.As(err, &recovered) && errors.As(recovered.Cause(), &fault)
}

func (l *ledger) append(entries []*raft.Log) error {
	records := make([]*raft.Log, len(entries))
	for i, e := range entries {
		records[i] = sealed(e)
	}
	return l.write("append", func() error {
		if err := l.bolt.StoreLogs(records); err != nil || len(entries) == 0 {
			return err
		}
		end := entries[len(entries)-1]
		l.mark.follow(func(r *reach) { r.term, r.index = end.Term, end.Index })
		return nil
	})
}

// drop deletes the records from first to last.
func (l *ledger) drop(first, last uint64) error {
	end, err := l.last()
	if err != nil {
		return err
	}
	var left raft.Log // the new end, if the log becomes shorter
	if last >= end && first > 0 {
		if err := l.entry(first-1, &left); err != nil && l.failure() != nil {
			return err
		}
	}
	return l.write("delete", func() error {
		if last >= end {
			if err := l.mark.lower(func(r *reach) { r.term, r.index = left.Term, left.Index }); err != nil {
				return err
			}
		}
		return l.bolt.DeleteRange(first, last)
	})
}

// value reads one of raft's values. It fails with errNoValue where none is set.
func (l *ledger) value(name []byte) (value []byte, err error) {
	var wrong error
	err = l.do("read", func() error {
		b, err := l.bolt.Get(name)
		if errors.Is(err, errNoValue) {
			wrong = errNoValue
			return nil
		}
		if err != nil {
			return err
		}
		if value, err = unsealValue(name, b); err != nil {
			wrong = &DamagedError{Path: l.path, Value: string(name), Err: err}
		}
		return nil
	})
	return value, cmp.Or(err, wrong)
}

func (l *ledger) setValue(name, value []byte) error {
	return l.write("set", func() error {
		if err := l.bolt.Set(name, sealedValue(name, value)); err != nil {
			return err
		}
		switch string(name) {
		case termKey:
			l.mark.follow(func(r *reach) { r.current = number(value) })
		case voteTermKey:
			l.mark.follow(func(r *reach) { r.voted = number(value) })
		}
		return nil
	})
}

// reach is how far the log is, entries that are only in a snapshot apart.
func (l *ledger) reach() (r reach, err error) {
	end, err := l.last()
	if err != nil {
		return r, err
	}
	var record raft.Log
	if end > 0 {
		if err := l.entry(end, &record); err != nil && l.failure() != nil {
			return r, err
		}
	}
	current, err := l.value([]byte(termKey))
	if err != nil {
		return r, err
	}
	voted, err := l.value([]byte(voteTermKey))
	if err != nil {
		return r, err
	}
	return reach{term: record.Term, index: record.Index, current: number(current), voted: number(voted)}, nil
}

// number reads one of raft's numbers, or 0 from what is none.
func number(value []byte) uint64 {
	if len(value) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}
