package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gitmirror/internal/boltfile"
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
	writes writes
	faults func(op string) error // of tests, before each operation; may be nil
	failed func(error)           // told once, of the first failure

	mu     sync.Mutex
	broken error
}

func openLedger(path string) (*ledger, error) {
	l := &ledger{path: path, failed: func(error) {}}
	err := boltfile.OpenBy(path, ledgerBuckets, func(options *bbolt.Options) (err error) {
		l.bolt, err = raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: options})
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
	err := l.inject(op)
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

func (l *ledger) inject(op string) error {
	if l.faults == nil {
		return nil
	}
	return l.faults(op)
}

// Close leaves the file alone after a failure: bbolt's locks may be taken.
func (l *ledger) Close() error {
	if l.failure() != nil {
		return nil
	}
	return l.bolt.Close()
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
	return l.write("append", func() error { return l.bolt.StoreLogs(records) })
}

// drop deletes the records from first to last.
func (l *ledger) drop(first, last uint64) error {
	return l.write("delete", func() error { return l.bolt.DeleteRange(first, last) })
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
	return l.write("set", func() error { return l.bolt.Set(name, sealedValue(name, value)) })
}
