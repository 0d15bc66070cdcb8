package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"gitmirror/internal/disk"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/gogit"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/proof"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/store"
	"gitmirror/mirror/sync"
	"gitmirror/mirror/tree"
	"gitmirror/mirror/work"
)

// Objects brings the objects of copies, and tells whether all of them are there. dir is a
// repository's.
type Objects interface {
	sync.Objects
	maintain.Objects
	Reader
	Trees
}

// Reader tells what can be read of a copy. dir is a repository's.
type Reader interface {
	// Absent returns those ids that are not there, whatever the others lead to.
	Absent(ctx context.Context, dir string, oids []string) ([]string, error)
	// Verify reads all of a copy with these tips. An error that is fetch.ErrInconclusive
	// says nothing of it.
	Verify(ctx context.Context, dir string, tips []string) error
	// Reread is Verify, of which it may leave out what follows from what is known. It returns
	// what is known by then, nothing where that is too little to remember.
	Reread(ctx context.Context, dir string, tips []string, known proof.Proof) (proof.Proof, error)
	// Check looks at each object of a copy with these tips. Its errors are as Verify's.
	Check(ctx context.Context, dir string, tips []string) error
	// Index makes the index of a pack that has none.
	Index(ctx context.Context, dir, pack string) error
}

// Trees opens what copies have for who reads it. dir is a repository's.
type Trees interface {
	// Tree opens the files of the commit that a tip leads to. Until it is closed, no object must go that they need.
	Tree(dir, tip string) (Tree, error)
}

// Tree is the files of a commit, as package tree tells of them. It blocks for the disk.
type Tree interface {
	Files() iter.Seq2[tree.File, error]
	Find(name string) (f tree.File, there bool, err error)
	Read(f tree.File) ([]byte, error)
	Close() error
}

// trees are those of copies that git, or go-git, has made.
type trees struct{ disk *disk.Disk }

func (t trees) Tree(dir, tip string) (Tree, error) {
	files, err := tree.Open(t.disk, dir, tip)
	if err != nil {
		return nil, err
	}
	return files, nil
}

// holdings are what the schedule is told of this node's copies.
type holdings struct{ e *Engine }

func (own holdings) Held(id string) schedule.Held {
	r := own.e.store.Repo(id)
	if r == nil {
		return schedule.Held{}
	}
	h := schedule.Held{Any: true, Fetching: own.e.worker.Findings(id).Syncing}
	h.Generation, h.Digest = r.Generation()
	if generation, digest, _, pending := r.Candidate(); pending {
		h.Candidate = &work.Generation{Number: generation, Digest: digest}
	}
	return h
}

// gits are objects of git.
type gits struct {
	*fetch.Fetcher
	*maintain.Git
	trees
}

var _ Objects = gits{}

// gogits are objects of go-git.
type gogits struct {
	*gogit.Objects
	maintain.Joined
	trees
}

// Join is what is compared with what it was made of.
func (g gogits) Join(ctx context.Context, st *store.Staging, dir string, packs, loose []string) error {
	return g.Joined.Join(ctx, st, dir, packs, loose)
}

// Connected is go-git's.
func (g gogits) Connected(ctx context.Context, dir string, tips, whole []string) error {
	err := g.Objects.Connected(ctx, dir, tips, whole)
	if errors.Is(err, gogit.ErrMissing) {
		err = fmt.Errorf("%w: %w", maintain.ErrAbsent, err)
	}
	return err
}

var _ Objects = gogits{}
