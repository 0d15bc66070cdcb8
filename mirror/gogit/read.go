package gogit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"gitmirror/internal/gitfsck"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/objects"
)

// commitBytes is about what is held of a commit in a walk.
const commitBytes = 256

// What reading may have in memory besides the indexes of packs.
const (
	cached = 32 << 20 // bytes of objects
	lazily = 1 << 20  // bytes of an object from which on it is read as it is needed
)

// reader reads objects of a repository and of its alternates. It is for one goroutine.
type reader struct {
	layers []*filesystem.Storage
	most   int                              // commits, and other objects, that are remembered of a walk
	over   func(what string) *failure.Error // there is no memory for something
}

// open opens the repository in dir. It must be closed. Indexes are read at once: one that has left
// meanwhile has left to another pack, so that it is looked again.
func (o *Objects) open(dir string) (r *reader, err error) {
	for range 3 {
		if r, err = o.openOnce(dir); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, dotgit.ErrPackfileNotFound) {
			break
		}
	}
	return r, err
}

func (o *Objects) openOnce(dir string) (*reader, error) {
	dirs := []string{dir}
	alternates, err := o.disk.ReadFile(filepath.Join(dir, "objects/info/alternates"))
	if err == nil {
		for line := range strings.Lines(string(alternates)) {
			dirs = append(dirs, filepath.Dir(strings.TrimSuffix(line, "\n")))
		}
	}
	r := &reader{most: int(o.memory / commitBytes), over: o.tooMuch}
	var indexes int64
	for _, d := range dirs {
		size, err := o.indexes(d)
		if err != nil {
			return nil, err
		}
		if indexes += size; 2*indexes > o.memory { // go-git has them in memory, and a map of offsets beside
			r.close()
			return nil, o.tooMuch(fmt.Sprintf("an index of %d bytes", indexes))
		}
		r.layers = append(r.layers, filesystem.NewStorageWithOptions(objects.Files(o.disk, d), cache.NewObjectLRU(cached/cache.FileSize(len(dirs))),
			filesystem.Options{KeepDescriptors: true, LargeObjectThreshold: lazily}))
	}
	if _, err := r.has(plumbing.NewHash("01")); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// indexes is how many bytes the indexes of a repository's packs have.
func (o *Objects) indexes(dir string) (sum int64, err error) {
	entries, err := o.disk.ReadDir(filepath.Join(dir, "objects/pack"))
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == ".idx" {
			sum += info.Size()
		}
	}
	return sum, nil
}

func (r *reader) close() {
	for _, l := range r.layers {
		_ = l.Close()
	}
}

// missingError says that an object is not there.
type missingError struct{ id plumbing.Hash }

func (e *missingError) Error() string { return "object " + e.id.String() + " is missing" }

// Is tells what it is to others.
func (e *missingError) Is(target error) bool { return target == ErrMissing }

// ErrMissing says that an object is not there.
var ErrMissing = errors.New("an object is missing")

// find finds an object. An error that is a missingError says that it is not there, any other that
// it cannot be read.
func (r *reader) find(id plumbing.Hash) (plumbing.EncodedObject, error) {
	for _, l := range r.layers {
		o, err := l.EncodedObject(plumbing.AnyObject, id)
		if err == nil {
			return o, nil
		}
		if !errors.Is(err, plumbing.ErrObjectNotFound) {
			return nil, fmt.Errorf("object %s cannot be read: %w", id, err)
		}
	}
	return nil, &missingError{id}
}

// has tells whether an object is there.
func (r *reader) has(id plumbing.Hash) (bool, error) {
	for _, l := range r.layers {
		err := l.HasEncodedObject(id)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, plumbing.ErrObjectNotFound) {
			return false, fmt.Errorf("object %s cannot be looked for: %w", id, err)
		}
	}
	return false, nil
}

// content reads all of an object.
func content(o plumbing.EncodedObject) ([]byte, error) {
	from, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer from.Close()
	data := make([]byte, 0, o.Size())
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := from.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// read reads an object that has to be of a kind.
func (r *reader) read(id plumbing.Hash, kind plumbing.ObjectType) ([]byte, error) {
	o, err := r.find(id)
	if err != nil {
		return nil, err
	}
	if o.Type() != kind {
		return nil, fmt.Errorf("object %s is a %s, and not a %s", id, o.Type(), kind)
	}
	data, err := content(o)
	if err != nil {
		return nil, fmt.Errorf("object %s cannot be read: %w", id, err)
	}
	return data, nil
}

// peel follows tags from an object to what is none. Each tag on the way is told to via, which may
// be nil.
func (r *reader) peel(id plumbing.Hash, via func(plumbing.Hash)) (plumbing.EncodedObject, error) {
	for {
		o, err := r.find(id)
		if err != nil || o.Type() != plumbing.TagObject {
			return o, err
		}
		data, err := content(o)
		if err != nil {
			return nil, fmt.Errorf("object %s cannot be read: %w", id, err)
		}
		next := plumbing.ZeroHash
		gitfsck.Links("tag", data, func(to [20]byte, _ string) { next = to })
		if next.IsZero() {
			return nil, fmt.Errorf("tag %s leads nowhere", id)
		}
		if via != nil {
			via(id)
		}
		id = next
	}
}

// commit is what is known of one.
type commit struct {
	tree    plumbing.Hash
	parents []plumbing.Hash
	when    int64 // of the committer's clock, in seconds of Unix
	whole   bool  // it is one of those that a walk leaves out
	queued  bool
}

// commit reads one.
func (r *reader) commit(id plumbing.Hash) (*commit, error) {
	data, err := r.read(id, plumbing.CommitObject)
	if err != nil {
		return nil, err
	}
	c := &commit{}
	gitfsck.Links("commit", data, func(to [20]byte, kind string) {
		if kind == "tree" {
			c.tree = to
		} else {
			c.parents = append(c.parents, to)
		}
	})
	if c.tree.IsZero() {
		return nil, fmt.Errorf("commit %s has no tree", id)
	}
	head, _, _ := strings.Cut(string(data[:min(len(data), 64<<10)]), "\n\n")
	if _, line, ok := strings.Cut(head, "\ncommitter "); ok {
		line, _, _ = strings.Cut(line, "\n")
		_, date, _ := strings.Cut(line, "> ")
		seconds, _, _ := strings.Cut(date, " ")
		c.when, _ = strconv.ParseInt(seconds, 10, 64) // what is no date is of the beginning
	}
	return c, nil
}

// hashes are ids as go-git has them.
func hashes(oids []string) []plumbing.Hash {
	list := make([]plumbing.Hash, len(oids))
	for i, oid := range oids {
		list[i] = plumbing.NewHash(oid)
	}
	return list
}

// failed is what reading of a copy ended with: what it says of objects is damage.
func failed(err error) *failure.Error {
	f := failure.Of(err)
	if f.Err == err && f.Class == failure.Network { // it is about no network
		f = failure.Wrap(failure.Corrupt, err)
	}
	return f
}
