package cluster

import (
	"errors"
	"fmt"
)

var (
	// ErrDamaged says that what is stored in the raft directory is not what
	// was written there. The error is a *DamagedError.
	ErrDamaged = errors.New("the raft log is damaged")

	// ErrStoreFailed says that the raft directory could not be written to or
	// read. The error is a *StoreError.
	ErrStoreFailed = errors.New("the raft store failed")
)

// DamagedError is ErrDamaged with the place. A node with such a log can neither
// go on nor be mended by hand: it has to be removed and to start anew.
type DamagedError struct {
	Path  string
	Index uint64 // of the entry, if it is one
	Value string // the name of the value, if it is one
	Err   error
}

func (e *DamagedError) Error() string {
	switch {
	case e.Index > 0:
		return fmt.Sprintf("%s is damaged at entry %d of the log: %v", e.Path, e.Index, e.Err)
	case e.Value != "":
		return fmt.Sprintf("%s is damaged at the value %s: %v", e.Path, e.Value, e.Err)
	}
	return fmt.Sprintf("%s is damaged: %v", e.Path, e.Err)
}

// Is matches ErrDamaged.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// Unwrap is what was found.
func (e *DamagedError) Unwrap() error { return e.Err }

// StoreError is ErrStoreFailed with what was tried: the disk is full, read-only
// or broken. Once it is well again the node may start on the same directory.
type StoreError struct {
	Op   string // open, read, append, delete, set, or of a snapshot: create, write, close
	Path string
	Err  error
}

func (e *StoreError) Error() string {
	return fmt.Sprintf("the raft store at %s failed (%s): %v", e.Path, e.Op, e.Err)
}

// Is matches ErrStoreFailed.
func (e *StoreError) Is(target error) bool { return target == ErrStoreFailed }

// Unwrap is the error of the operating system.
func (e *StoreError) Unwrap() error { return e.Err }
