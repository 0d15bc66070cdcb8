package cluster

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gitmirror/internal/boltfile"
)

var (
	logBucket  = []byte("log")
	confBucket = []byte("conf")

	// errNoValue is raft's way to say that a key was never set: it compares
	// the text.
	errNoValue = errors.New("not found")
)

// ledger is raft.db: the log and raft's few values, each with a checksum that
// is verified at every read. raft-boltdb is not used because bbolt, when it
// panics over a damaged page, must not be made to roll back: see boltfile.Guard.
//
// The first write that fails, and the first damage outside of a record, is its
// last: it reports that on failed, and nothing is read or written any more. What
// a disk did not take once may look written, and may be gone after the next
// power cut.
type ledger struct {
	db     *bbolt.DB
	path   string
	faults func(op string) error // of tests, before each operation; may be nil
	failed func(error)           // told once, of the first failure

	mu     sync.Mutex
	broken error
}

func openLedger(path string) (*ledger, error) {
	db, err := boltfile.Open(path)
	switch {
	case errors.Is(err, boltfile.ErrInUse):
		return nil, ErrLocked
	case errors.Is(err, boltfile.ErrDamaged):
		return nil, &DamagedError{Path: path, Err: err}
	case err != nil:
		return nil, &StoreError{Op: "open", Path: path, Err: err}
	}
	l := &ledger{db: db, path: path, failed: func(error) {}}
	err = l.update("open", func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(logBucket)
		if err == nil {
			_, err = tx.CreateBucketIfNotExists(confBucket)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
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

// view runs a read. What it finds wrong is an error of call; what bbolt finds
// wrong is the end.
func (l *ledger) view(op string, call func(tx *bbolt.Tx) error) error {
	if err := l.failure(); err != nil {
		return err
	}
	var found error
	err := l.inject(op)
	if err == nil {
		err = boltfile.View(l.db, func(tx *bbolt.Tx) error {
			found = call(tx)
			return nil
		})
	}
	switch {
	case err == nil:
		return found
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return ErrClosed
	case errors.Is(err, boltfile.ErrDamaged):
		return l.fail(&DamagedError{Path: l.path, Err: err})
	}
	return l.fail(&StoreError{Op: op, Path: l.path, Err: err})
}

// update runs a write, and returns when it is durable. Any error is the end.
func (l *ledger) update(op string, call func(tx *bbolt.Tx) error) error {
	if err := l.failure(); err != nil {
		return err
	}
	err := l.inject(op)
	if err == nil {
		err = boltfile.Update(l.db, call)
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
	return l.db.Close()
}

func key(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }

// bounds are the first and the last index, or 0 and 0 of an empty log.
func (l *ledger) bounds() (first, last uint64, err error) {
	err = l.view("read", func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(logBucket).Cursor()
		low, _ := cursor.First()
		high, _ := cursor.Last()
		if low == nil {
			return nil
		}
		if len(low) != 8 || len(high) != 8 {
			return &DamagedError{Path: l.path, Err: errors.New("an index of the log cannot be read")}
		}
		first, last = binary.BigEndian.Uint64(low), binary.BigEndian.Uint64(high)
		return nil
	})
	return first, last, err
}

// entry reads a record. It fails with raft.ErrLogNotFound where there is none,
// and with a *DamagedError that has the index where it is not what was written.
func (l *ledger) entry(index uint64, into *raft.Log) error {
	return l.view("read", func(tx *bbolt.Tx) error {
		b := tx.Bucket(logBucket).Get(key(index))
		if b == nil {
			return raft.ErrLogNotFound
		}
		if err := decodeRecord(index, b, into); err != nil {
			return &DamagedError{Path: l.path, Index: index, Err: err}
		}
		return nil
	})
}

func (l *ledger) append(entries []*raft.Log) error {
	return l.update("append", func(tx *bbolt.Tx) error {
		b := tx.Bucket(logBucket)
		for _, e := range entries {
			if err := b.Put(key(e.Index), encodeRecord(e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// drop deletes the records from first to last.
func (l *ledger) drop(first, last uint64) error {
	return l.update("delete", func(tx *bbolt.Tx) error {
		// Deleting moves the cursor: look up the next one each time.
		b := tx.Bucket(logBucket)
		cursor := b.Cursor()
		for k, _ := cursor.Seek(key(first)); len(k) == 8 && binary.BigEndian.Uint64(k) <= last; k, _ = cursor.Seek(key(first)) {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// value reads one of raft's values. It fails with errNoValue where none is set.
func (l *ledger) value(name []byte) (value []byte, err error) {
	err = l.view("read", func(tx *bbolt.Tx) error {
		b := tx.Bucket(confBucket).Get(name)
		if b == nil {
			return errNoValue
		}
		var bad error
		if value, bad = decodeValue(name, b); bad != nil {
			return &DamagedError{Path: l.path, Value: string(name), Err: bad}
		}
		return nil
	})
	return value, err
}

func (l *ledger) setValue(name, value []byte) error {
	return l.update("set", func(tx *bbolt.Tx) error {
		return tx.Bucket(confBucket).Put(name, encodeValue(name, value))
	})
}
