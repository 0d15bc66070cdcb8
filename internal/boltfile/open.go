// Package boltfile opens bbolt files that may be damaged.
//
// bbolt trusts its file: a bit that has flipped in a page, or a file that was
// cut, ends the process in a panic, a fault, or a recursion without end, some of
// them in goroutines of its own. Open checks the structure of the whole file
// first, and Guard turns what goes wrong later into an error. The file keeps its
// freelist, which leaves bbolt nothing to do in goroutines.
//
// It does not promise that the values are those that were written: only the order
// of keys, and the way from page to page, are checked. Who needs more puts checksums into
// the values. It does not notice what changes in the file behind a page that
// bbolt is just about to write.
package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gitmirror/internal/crashpoint"
	"gitmirror/internal/disk"
)

var (
	// ErrDamaged says that the file is not what bbolt wrote.
	ErrDamaged = errors.New("the file is damaged")
	// ErrInUse says that another process has the file open.
	ErrInUse = errors.New("another process has the file open")
	// ErrNoFile says that there is something else by that name: a directory, a pipe.
	ErrNoFile = errors.New("it is no file")
)

// lockWait is how long Open waits for another process to close the file.
const lockWait = time.Second

// Open opens a file, or makes it where there is none. It fails with ErrInUse,
// ErrNoFile and ErrDamaged. A file with a bucket that is none of buckets is damaged: one by such
// a name was lost.
func Open(d *disk.Disk, path string, buckets ...string) (*bbolt.DB, error) {
	var db *bbolt.DB
	err := OpenBy(d, path, buckets, func(options *bbolt.Options) (err error) {
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	return db, err
}

// OpenBy is Open for who has bbolt opened by somebody else, with these options.
//
// The freelist is kept in the file. Without one, bbolt reads every page whenever
// it opens the file or takes back a transaction whose commit has failed, and does
// so in a goroutine whose panic nobody can catch.
func OpenBy(d *disk.Disk, path string, buckets []string, open func(*bbolt.Options) error) error {
	err := checkUnused(d, path, buckets)
	if err == nil {
		err = Guard(func() error {
			return open(&bbolt.Options{Timeout: lockWait, NoSync: crashpoint.Forgetful, FreelistType: bbolt.FreelistMapType, OpenFile: func(path string, flag int, mode fs.FileMode) (*os.File, error) {
				f, err := d.OpenFile(path, flag, mode)
				if err != nil {
					return nil, err
				}
				return f.Host(), nil
			}})
		})
	}
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = ErrInUse
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return nil
}

// checkUnused checks a file while nobody writes to it. An empty file is one
// that bbolt has yet to fill.
func checkUnused(d *disk.Disk, path string, buckets []string) error {
	is, err := d.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case is.IsDir():
		return fmt.Errorf("%w, but a directory", ErrNoFile)
	case !is.Mode().IsRegular(): // a pipe would be waited for
		return ErrNoFile
	}
	f, err := d.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for deadline := time.Now().Add(lockWait); ; {
		free, err := f.TryLock()
		if err != nil {
			return err
		}
		if free {
			break
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
	return check(f, info.Size(), buckets)
}

// Guard runs a call that reads or writes a bbolt file, and makes an error,
// ErrDamaged, of a panic and of a fault of the memory map. After one the database
// must not be used, nor closed: bbolt's locks may be taken for ever.
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
// back after a panic, for which bbolt would read more of a file that is damaged.
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
