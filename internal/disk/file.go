package disk

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"gitmirror/internal/crashpoint"
)

// File is an open file of a Disk.
type File struct {
	disk *Disk
	file *os.File
}

// Name is the path that it was opened by.
func (f *File) Name() string { return f.file.Name() }

// Read implements io.Reader.
func (f *File) Read(b []byte) (int, error) {
	return do(f.disk, "read", f.Name(), func() (int, error) { return f.file.Read(b) })
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(b []byte, at int64) (int, error) {
	return do(f.disk, "read", f.Name(), func() (int, error) { return f.file.ReadAt(b, at) })
}

// Write implements io.Writer.
func (f *File) Write(b []byte) (int, error) {
	return do(f.disk, "write", f.Name(), func() (int, error) { return f.file.Write(b) })
}

// WriteAt implements io.WriterAt.
func (f *File) WriteAt(b []byte, at int64) (int, error) {
	return do(f.disk, "write", f.Name(), func() (int, error) { return f.file.WriteAt(b, at) })
}

// Sync makes what was written durable.
func (f *File) Sync() error {
	if err := f.disk.Announce("sync", f.Name()); err != nil {
		return err
	}
	if crashpoint.Forgetful {
		return nil
	}
	return f.file.Sync()
}

// Allocate takes the space that a file of so many bytes needs.
func (f *File) Allocate(bytes int64) error {
	if err := f.disk.Announce("allocate", f.Name()); err != nil {
		return err
	}
	return syscall.Fallocate(int(f.file.Fd()), 0, 0, bytes)
}

// Stat is os.File's.
func (f *File) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// Close closes the file, whatever the disk says.
func (f *File) Close() error { return f.file.Close() }

// TryLock locks the file against other processes, and other openings of it, until it is
// closed. It tells whether nobody else had locked it.
func (f *File) TryLock() (bool, error) {
	err := syscall.Flock(int(f.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Host is the operating system's file, for who hands it on: to children, or to a library.
// What is done to it is not seen any more.
func (f *File) Host() *os.File { return f.file }
