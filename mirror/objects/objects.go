// Package objects opens the objects of a copy to be read in this process, by go-git, where a child of its
// own for each reading would be too many. Nothing of a copy is written.
package objects

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"gitmirror/internal/disk"
)

// ErrTooLarge says that a copy has more objects than are read of here: go-git has the whole
// index of a copy in memory.
var ErrTooLarge = errors.New("too many objects to be read in this process")

// Bounds are what one reading may have in memory, in bytes.
type Bounds struct {
	Indexes int64 // of the packs: 32 are about one object
	Cached  int64 // objects
}

// Open returns the objects of a bare repository in dir, which must keep them until Close. It fails with
// ErrTooLarge.
func Open(d *disk.Disk, dir string, most Bounds) (*filesystem.Storage, error) {
	packs, err := d.ReadDir(filepath.Join(dir, "objects", "pack"))
	if err != nil {
		return nil, err
	}
	var sum int64
	for _, entry := range packs {
		if info, err := entry.Info(); err == nil && filepath.Ext(entry.Name()) == ".idx" {
			sum += info.Size()
		}
	}
	if sum > most.Indexes {
		return nil, fmt.Errorf("%w: its indexes have %d bytes, more than %d", ErrTooLarge, sum, most.Indexes)
	}
	return filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRU(cache.FileSize(most.Cached)), filesystem.Options{}), nil
}

// maxTags is how many tags of tags are followed.
const maxTags = 10

// CommitOf is the commit that an object is, or leads to as a tag; nil where it leads to none.
func CommitOf(repo *filesystem.Storage, hash plumbing.Hash) (*object.Commit, error) {
	for range maxTags {
		o, err := object.GetObject(repo, hash)
		if err != nil {
			return nil, err
		}
		switch o := o.(type) {
		case *object.Commit:
			return o, nil
		case *object.Tag:
			hash = o.Target
		default:
			return nil, nil
		}
	}
	return nil, nil
}
