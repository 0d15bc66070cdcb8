// Package boltfile opens bbolt files that may be damaged.
//
// bbolt trusts its file: a bit that has flipped in a page, or a file that was
// cut, ends the process in a panic, a fault, or a recursion without end, some of
// them in goroutines of its own. Open checks the structure of the whole file
// first, and Guard turns what goes wrong later into an error.
//
// It does not promise that the values are those that were written: only keys,
// and the way from page to page, are checked. Who needs more puts checksums into
// the values. It does not notice what changes in the file behind a page that
// bbolt is just about to write.
package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrDamaged says that the file is not what bbolt wrote.
	ErrDamaged = errors.New("the file is damaged")
	// ErrInUse says that another process has the file open.
	ErrInUse = errors.New("another process has the file open")
)

// lockWait is how long Open waits for another process to close the file.
const lockWait = time.Second

// Open opens a file, or makes it where there is none, without a freelist on
// the disk. It fails with ErrInUse and ErrDamaged.
func Open(path string) (*bbolt.DB, error) {
	if err := checkUnused(path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	var db *bbolt.DB
	err := Guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:        lockWait,
			NoFreelistSync: true,
			FreelistType:   bbolt.FreelistMapType,
		})
		return err
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// checkUnused checks a file while nobody writes to it. An empty file is one
// that bbolt has yet to fill.
func checkUnused(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for deadline := time.Now().Add(lockWait); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(deadline) {
			return ErrInUse
		}
		time.Sleep(20 * time.Millisecond)
	}
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	return check(f, info.Size())
}

// Guard runs a call that reads or writes a bbolt file, and makes an error,
// ErrDamaged, of a panic and of a fault of the memory map. After one the database
// must not be used, nor closed: bbolt's locks may be taken for ever, and the
// rollback of a writing transaction reads the whole file in a goroutine that
// nobody guards.
func Guard(call func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w (%v)", ErrDamaged, p)
		}
	}()
	return call()
}

// View runs a guarded reading transaction.
func View(db *bbolt.DB, call func(tx *bbolt.Tx) error) error {
	return Guard(func() error { return db.View(call) })
}

// Update runs a guarded writing transaction. Unlike bbolt's own it does not roll
// back after a panic.
func Update(db *bbolt.DB, call func(tx *bbolt.Tx) error) error {
	return Guard(func() error {
		tx, err := db.Begin(true)
		if err != nil {
			return err
		}
		if err := call(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	})
}
