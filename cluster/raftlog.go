package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/hashicorp/raft"
)

// raftLog is the ledger as raft sees it, as its log and its stable store. raft
// takes an error of its log for a reason to panic, or to step down and go on with
// a store that nobody can trust. So it is never shown one: when the process has
// to end, the goroutine that called ends here, and the reason goes to Fatal.
type raftLog struct {
	*ledger
	// applied is the index up to which records are part of the state machine.
	applied func() uint64
	// spoiled is told of a damaged record that was applied already.
	spoiled func(index uint64)
}

// errSpoiled is why a record is not sent to a peer for now.
var errSpoiled = errors.New("the record is damaged, a snapshot will take its place")

// endIf ends the calling goroutine, one of raft's, if the ledger has failed.
func (r raftLog) endIf(err error) {
	if r.failure() != nil || errors.Is(err, ErrClosed) {
		runtime.Goexit()
	}
}

// GetLog implements raft.LogStore.
func (r raftLog) GetLog(index uint64, into *raft.Log) error {
	err := r.entry(index, into)
	var damaged *DamagedError
	if errors.As(err, &damaged) && damaged.Index == index {
		if index <= r.applied() {
			r.spoiled(index)
			return fmt.Errorf("entry %d: %w", index, errSpoiled)
		}
		err = r.fail(damaged)
	}
	r.endIf(err)
	return err
}

// FirstIndex implements raft.LogStore.
func (r raftLog) FirstIndex() (uint64, error) {
	first, err := r.first()
	return first, r.check(err)
}

// LastIndex implements raft.LogStore.
func (r raftLog) LastIndex() (uint64, error) {
	last, err := r.last()
	return last, r.check(err)
}

// check is for calls whose only good answer is no error.
func (r raftLog) check(err error) error {
	if err != nil && !errors.Is(err, ErrClosed) {
		err = r.fail(err)
	}
	r.endIf(err)
	return err
}

// StoreLog implements raft.LogStore.
func (r raftLog) StoreLog(entry *raft.Log) error { return r.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore.
func (r raftLog) StoreLogs(entries []*raft.Log) error { return r.check(r.append(entries)) }

// DeleteRange implements raft.LogStore.
func (r raftLog) DeleteRange(first, last uint64) error { return r.check(r.drop(first, last)) }

// Set implements raft.StableStore.
func (r raftLog) Set(name, value []byte) error { return r.check(r.setValue(name, value)) }

// Get implements raft.StableStore.
func (r raftLog) Get(name []byte) ([]byte, error) {
	value, err := r.value(name)
	if errors.Is(err, errNoValue) && slices.Contains(raftValues, string(name)) {
		err = &DamagedError{Path: r.path, Value: string(name), Err: errMissing}
	}
	if errors.Is(err, errNoValue) {
		return nil, errNoValue
	}
	return value, r.check(err)
}

// SetUint64 implements raft.StableStore.
func (r raftLog) SetUint64(name []byte, value uint64) error {
	return r.Set(name, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 implements raft.StableStore.
func (r raftLog) GetUint64(name []byte) (uint64, error) {
	value, err := r.Get(name)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, r.check(&DamagedError{Path: r.path, Value: string(name), Err: errChecksum})
	}
	return binary.BigEndian.Uint64(value), nil
}
