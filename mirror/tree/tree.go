// Package tree reads the files of a commit of a copy: in this process, by go-git, without a checkout.
package tree

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"gitmirror/internal/disk"
	"gitmirror/mirror/objects"
)

// ErrNoCommit says that what was asked for leads to no commit.
var ErrNoCommit = errors.New("it leads to no commit")

// Bounds of one reading. The indexes are of four million objects.
var bounds = objects.Bounds{Indexes: 128 << 20, Cached: 16 << 20}

// MaxDepth is how deep folders are looked into: deeper than any that people make.
const MaxDepth = 64

// File is one file of a commit.
type File struct {
	Path string // from the root, with slashes
	ID   string // of its content, hex
	Size int64  // bytes
	Link bool   // a symbolic link, or another repository's commit
	Deep bool   // a folder that is nested too deep: nothing in it is told
}

// Tree is the files of a commit. It is for one goroutine.
type Tree struct {
	repo *filesystem.Storage
	root plumbing.Hash
}

// Open returns the files of the commit that tip, hex, leads to. dir is a bare repository's: it must
// keep its objects until Close.
func Open(d *disk.Disk, dir, tip string) (*Tree, error) {
	repo, err := objects.Open(d, dir, bounds)
	if err != nil {
		return nil, err
	}
	c, err := objects.CommitOf(repo, plumbing.NewHash(tip))
	switch {
	case err != nil:
		err = fmt.Errorf("read %s: %w", tip, err)
	case c == nil:
		err = fmt.Errorf("%s: %w", tip, ErrNoCommit)
	default:
		return &Tree{repo, c.TreeHash}, nil
	}
	return nil, errors.Join(err, repo.Close())
}

// Close lets go of the repository.
func (t *Tree) Close() error { return t.repo.Close() }

// Files are all of them, by folder. An error ends them: there is more than was told.
func (t *Tree) Files() iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		if err := t.walk(t.root, "", 0, func(f File) bool { return yield(f, nil) }); err != nil && !errors.Is(err, errEnough) {
			yield(File{}, err)
		}
	}
}

var errEnough = errors.New("enough")

func (t *Tree) walk(id plumbing.Hash, folder string, depth int, yield func(File) bool) error {
	if depth > MaxDepth {
		if !yield(File{Path: strings.TrimSuffix(folder, "/"), Deep: true}) {
			return errEnough
		}
		return nil
	}
	tree, err := object.GetTree(t.repo, id)
	if err != nil {
		return fmt.Errorf("read folder %q: %w", folder, err)
	}
	for _, e := range tree.Entries {
		path := folder + e.Name
		switch e.Mode {
		case filemode.Dir:
			if err := t.walk(e.Hash, path+"/", depth+1, yield); err != nil {
				return err
			}
			continue
		case filemode.Symlink, filemode.Submodule:
			if !yield(File{Path: path, ID: e.Hash.String(), Link: true}) {
				return errEnough
			}
			continue
		}
		size, err := t.repo.EncodedObjectSize(e.Hash)
		if err != nil {
			return fmt.Errorf("read %q: %w", path, err)
		}
		if !yield(File{Path: path, ID: e.Hash.String(), Size: size}) {
			return errEnough
		}
	}
	return nil
}

// Find returns the file of that name in the root folder, and whether there is one.
func (t *Tree) Find(name string) (File, bool, error) {
	tree, err := object.GetTree(t.repo, t.root)
	if err != nil {
		return File{}, false, fmt.Errorf("read the root folder: %w", err)
	}
	for _, e := range tree.Entries {
		if e.Name != name || !e.Mode.IsFile() || e.Mode == filemode.Symlink {
			continue
		}
		size, err := t.repo.EncodedObjectSize(e.Hash)
		if err != nil {
			return File{}, false, fmt.Errorf("read %q: %w", name, err)
		}
		return File{Path: name, ID: e.Hash.String(), Size: size}, true, nil
	}
	return File{}, false, nil
}

// Read returns the content of a file, all of it: its size is the caller's to judge.
func (t *Tree) Read(f File) ([]byte, error) {
	blob, err := object.GetBlob(t.repo, plumbing.NewHash(f.ID))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", f.Path, err)
	}
	r, err := blob.Reader()
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", f.Path, err)
	}
	defer r.Close()
	return io.ReadAll(r)
}
