// Package disk is the way to this machine's disk: what a node does to the directories of
// its copies, its log and its identity it does through a Disk, and by no other way (a test
// says so). It is one, so that a whole node can be put into a world whose disk fails, fills
// up, hangs, or is left as it was at some instant.
//
// The files are real ones in any world: git works on them too, and is not seen from here.
// What libraries do to files by themselves is announced by whoever has them do it.
package disk

import (
	"io/fs"
	"os"
	"syscall"
)

// Op is something that is about to be done.
type Op struct {
	Name string // what is done, as the method is called: "rename", "sync"; or as it was announced
	Path string // to which file or directory; of a rename the new name
}

// Disk is a disk. One that is nil is this machine's, as it is.
type Disk struct{ before func(Op) error }

// New returns this machine's disk with before called ahead of everything that is done to
// it, from any goroutine. An error has it not done, and is its outcome; it is done when
// before returns nil, however late that is.
func New(before func(Op) error) *Disk { return &Disk{before} }

// Announce says what somebody else is about to do to a file, and returns why it must not.
func (d *Disk) Announce(name, path string) error {
	if d == nil {
		return nil
	}
	if err := d.before(Op{name, path}); err != nil {
		return &fs.PathError{Op: name, Path: path, Err: err}
	}
	return nil
}

// do is Announce and then the thing itself.
func do[T any](d *Disk, name, path string, call func() (T, error)) (result T, err error) {
	if err := d.Announce(name, path); err != nil {
		return result, err
	}
	return call()
}

// Open opens a file or directory to be read.
func (d *Disk) Open(path string) (*File, error) { return d.OpenFile(path, os.O_RDONLY, 0) }

// OpenFile is os.OpenFile.
func (d *Disk) OpenFile(path string, flag int, mode fs.FileMode) (*File, error) {
	f, err := do(d, "open", path, func() (*os.File, error) { return os.OpenFile(path, flag, mode) })
	if err != nil {
		return nil, err
	}
	return &File{d, f}, nil
}

// CreateTemp is os.CreateTemp.
func (d *Disk) CreateTemp(dir, pattern string) (*File, error) {
	f, err := do(d, "create", dir, func() (*os.File, error) { return os.CreateTemp(dir, pattern) })
	if err != nil {
		return nil, err
	}
	return &File{d, f}, nil
}

// ReadFile is os.ReadFile.
func (d *Disk) ReadFile(path string) ([]byte, error) {
	return do(d, "read", path, func() ([]byte, error) { return os.ReadFile(path) })
}

// WriteFile is os.WriteFile: what it writes is not durable, and may be a part.
func (d *Disk) WriteFile(path string, data []byte, mode fs.FileMode) error {
	if err := d.Announce("write", path); err != nil {
		return err
	}
	return os.WriteFile(path, data, mode)
}

// ReadDir is os.ReadDir.
func (d *Disk) ReadDir(dir string) ([]fs.DirEntry, error) {
	return do(d, "readdir", dir, func() ([]fs.DirEntry, error) { return os.ReadDir(dir) })
}

// MkdirAll is os.MkdirAll.
func (d *Disk) MkdirAll(dir string, mode fs.FileMode) error {
	if err := d.Announce("mkdir", dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, mode)
}

// MkdirTemp is os.MkdirTemp.
func (d *Disk) MkdirTemp(dir, pattern string) (string, error) {
	return do(d, "mkdir", dir, func() (string, error) { return os.MkdirTemp(dir, pattern) })
}

// Rename is os.Rename. The new name is not durable before its directory is synced.
func (d *Disk) Rename(from, to string) error {
	if err := d.Announce("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// Link is os.Link.
func (d *Disk) Link(from, to string) error {
	if err := d.Announce("link", to); err != nil {
		return err
	}
	return os.Link(from, to)
}

// Remove is os.Remove.
func (d *Disk) Remove(path string) error {
	if err := d.Announce("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}

// RemoveAll is os.RemoveAll.
func (d *Disk) RemoveAll(path string) error {
	if err := d.Announce("remove", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// Stat is os.Stat.
func (d *Disk) Stat(path string) (fs.FileInfo, error) {
	return do(d, "stat", path, func() (fs.FileInfo, error) { return os.Stat(path) })
}

// Lstat is os.Lstat.
func (d *Disk) Lstat(path string) (fs.FileInfo, error) {
	return do(d, "stat", path, func() (fs.FileInfo, error) { return os.Lstat(path) })
}

// Sync makes durable what a file that somebody else wrote has, or the names in a directory.
func (d *Disk) Sync(path string) error {
	f, err := d.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Usage is how much of a file system is in use. What only root may use counts for nobody.
type Usage struct {
	Bytes       uint64 // in all
	FreeBytes   uint64
	FreePercent float64 // of blocks or inodes, whichever is less
}

// Usage looks at the file system that a directory is on.
func (d *Disk) Usage(dir string) (Usage, error) {
	var s syscall.Statfs_t
	if _, err := do(d, "statfs", dir, func() (struct{}, error) { return struct{}{}, syscall.Statfs(dir, &s) }); err != nil {
		return Usage{}, err
	}
	u := Usage{Bytes: s.Blocks * uint64(s.Bsize), FreeBytes: s.Bavail * uint64(s.Bsize), FreePercent: 100}
	if s.Blocks > 0 {
		u.FreePercent = 100 * float64(s.Bavail) / float64(s.Blocks-s.Bfree+s.Bavail) // as df has it
	}
	if s.Files > 0 {
		u.FreePercent = min(u.FreePercent, 100*float64(s.Ffree)/float64(s.Files))
	}
	return u, nil
}
