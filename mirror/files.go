package mirror

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"gitmirror/mirror/objects"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/tree"
)

// ErrOtherGeneration says that what is here of a repository is another generation than was asked for.
var ErrOtherGeneration = errors.New("another generation is here")

// ErrNoRef says that a repository has no such ref.
var ErrNoRef = errors.New("no such ref")

// Files opens the files of a repository's generation that this node shows: of the commit that a ref
// leads to, by its whole name or that of a branch or tag, or HEAD where it is empty. done must be called; until
// then no object goes that the files need. A copy whose files cannot be read is tested, as one is that cannot be
// cloned. It blocks for the disk.
func (e *Engine) Files(id string, generation uint64, ref string) (files Tree, done func(), err error) {
	r := e.store.Repo(id)
	if r == nil {
		return nil, nil, ErrNoCopy
	}
	if err := e.prover.fit(id); err != nil {
		return nil, nil, err
	}
	end := r.Read()
	files, err = func() (Tree, error) {
		t, err := r.Table()
		switch {
		case err != nil:
			return nil, err
		case t.Generation != generation:
			return nil, fmt.Errorf("%w: %d, not %d", ErrOtherGeneration, t.Generation, generation)
		}
		tip, err := tipOf(t, ref)
		if err != nil {
			return nil, err
		}
		files, err := e.objects.Tree(r.Dir(), tip)
		suspect := func(err error) { e.suspects(r, err) }
		suspect(err)
		return watched{files, suspect}, err
	}()
	if err != nil {
		end()
		return nil, nil, err
	}
	return files, func() { _ = files.Close(); end() }, nil
}

// suspects has a copy tested whose files could not be read, unless that says nothing of it.
func (e *Engine) suspects(r *store.Repo, err error) {
	for _, not := range []error{tree.ErrNoCommit, objects.ErrTooLarge} {
		if errors.Is(err, not) {
			return
		}
	}
	if err != nil {
		e.prover.Suspect(r, err)
	}
}

// watched are files of which somebody hears that they cannot be read.
type watched struct {
	Tree
	fails func(error) // nil is no failure
}

func (w watched) Files() iter.Seq2[tree.File, error] {
	return func(yield func(tree.File, error) bool) {
		for f, err := range w.Tree.Files() {
			if w.fails(err); !yield(f, err) {
				return
			}
		}
	}
}

func (w watched) Find(name string) (tree.File, bool, error) {
	f, there, err := w.Tree.Find(name)
	w.fails(err)
	return f, there, err
}

func (w watched) Read(f tree.File) ([]byte, error) {
	data, err := w.Tree.Read(f)
	w.fails(err)
	return data, err
}

// tipOf is what a ref of a table leads to, as people name it.
func tipOf(t *refs.Table, ref string) (oid string, err error) {
	names := []string{"refs/heads/" + ref, "refs/tags/" + ref}
	switch {
	case ref == "" || ref == "HEAD":
		target := t.Head.Target()
		if target == "" && t.Head != "" {
			return string(t.Head), nil
		}
		names = []string{target}
	case strings.HasPrefix(ref, "refs/"):
		names = []string{ref}
	}
	for _, name := range names {
		if r, there := t.Find(name); there && r.Public() {
			return r.OID, nil
		}
	}
	if ref == "" {
		ref = "HEAD"
	}
	return "", fmt.Errorf("%w: %s", ErrNoRef, ref)
}
