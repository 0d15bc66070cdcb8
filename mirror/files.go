package mirror

import (
	"errors"
	"fmt"
	"strings"

	"gitmirror/mirror/refs"
)

// ErrOtherGeneration says that what is here of a repository is another generation than was asked for.
var ErrOtherGeneration = errors.New("another generation is here")

// ErrNoRef says that a repository has no such ref.
var ErrNoRef = errors.New("no such ref")

// Files opens the files of a repository's generation that this node shows: of the commit that a ref
// leads to, by its whole name or that of a branch or tag, or HEAD where it is empty. done must be called; until
// then no object goes that the files need. It blocks for the disk.
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
		return e.objects.Tree(r.Dir(), tip)
	}()
	if err != nil {
		end()
		return nil, nil, err
	}
	return files, func() { _ = files.Close(); end() }, nil
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
