// Package atomicfile replaces files so that a reader, and a machine that
// loses power, sees the old content or the new, never a part: write beside,
// fsync, rename, fsync the directory.
package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"

	"gitmirror/internal/disk"
)

// Write replaces path by data. When it returns nil the new content survives a
// power cut. The temporary file is path with ".tmp" appended: two writers of
// one path must exclude each other.
func Write(d *disk.Disk, path string, data []byte, mode fs.FileMode) error {
	err := WriteBeside(d, path+".tmp", data, mode)
	if err == nil {
		err = Rename(d, path+".tmp", path)
	}
	if err != nil {
		_ = d.Remove(path + ".tmp") // a full disk wants its bytes back; the first error counts
	}
	return err
}

// WriteBeside writes and fsyncs a file without making its name durable; a
// Rename to its final name does that.
func WriteBeside(d *disk.Disk, path string, data []byte, mode fs.FileMode) (err error) {
	f, err := d.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// Rename moves from to to within one file system and makes the new name
// durable.
func Rename(d *disk.Disk, from, to string) error {
	if err := d.Rename(from, to); err != nil {
		return err
	}
	return d.Sync(filepath.Dir(to))
}
