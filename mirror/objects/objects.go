// Package objects opens the objects of a copy to be read in this process, by go-git, where a child of its
// own for each reading would be too many. Nothing of a copy is written.
package objects

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

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
	repo := filesystem.NewStorageWithOptions(Files(d, dir), cache.NewObjectLRU(cache.FileSize(most.Cached)), filesystem.Options{})
	// The indexes are read now: go-git would take those for all that it has read before it missed one.
	for try := 1; ; try++ {
		err := repo.HasEncodedObject(plumbing.ZeroHash)
		if err == nil || errors.Is(err, plumbing.ErrObjectNotFound) {
			return repo, nil
		}
		if !errors.Is(err, dotgit.ErrPackfileNotFound) || try == openTries {
			return nil, errors.Join(err, repo.Close())
		}
		repo.Reindex() // one was hidden meanwhile
	}
}

// openTries is how often it is begun anew because packs went meanwhile, which they do one job at a time.
const openTries = 5

// Files are those of a repository, for go-git to read while packs come and go.
func Files(d *disk.Disk, dir string) billy.Filesystem { return indexed{osfs.New(dir), d} }

// indexed are the files of a repository without packs that have no index: these are not there yet, or not any more, but
// for who reads of them already. go-git would read nothing at all beside one.
type indexed struct {
	billy.Filesystem
	disk *disk.Disk
}

// ReadDir implements billy.Dir. What goes while it is read is not there; the library's own takes that for a folder that is not,
// and go-git for a repository without packs.
func (f indexed) ReadDir(path string) (list []fs.FileInfo, err error) {
	entries, err := f.disk.ReadDir(filepath.Join(f.Root(), path))
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name()] = true
	}
	for _, e := range entries {
		if name, is := strings.CutSuffix(e.Name(), ".pack"); is && !names[name+".idx"] {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	return list, nil
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
