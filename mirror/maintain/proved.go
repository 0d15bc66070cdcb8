package maintain

import (
	"errors"
	"io/fs"

	"gitmirror/mirror/proof"
	"gitmirror/mirror/store"
)

// joinedIn notes what is still proved of a copy when packs were made that have, id by id, all of
// those that go. What was proved then holds of them, as soon as they can be read.
func (m *Maintainer) joinedIn(r *store.Repo, gone, made []string) {
	m.prove(r, made, func(files []proof.File) (proof.Proof, error) {
		data, err := r.Proved()
		if errors.Is(err, fs.ErrNotExist) {
			return proof.Proof{}, nil
		}
		if err != nil {
			return proof.Proof{}, err
		}
		known, err := proof.Decode(data)
		return known.Replaced(gone, files), err
	})
}

// gatheredIn notes that packs have all that tips lead to, as soon as they can be read.
func (m *Maintainer) gatheredIn(r *store.Repo, made, tips []string) {
	m.prove(r, made, func(files []proof.File) (proof.Proof, error) { return proof.Proof{Files: files, Whole: tips}, nil })
}

// prove writes what is proved by the files of packs that were just made. Where it cannot be written, the
// next verification proves all of it.
func (m *Maintainer) prove(r *store.Repo, made []string, of func(files []proof.File) (proof.Proof, error)) {
	files, err := proof.Made(m.cfg.Disk, r.Dir(), made)
	if err == nil {
		var p proof.Proof
		if p, err = of(files); err == nil && !p.Empty() {
			err = r.SetProved(p.Encode())
		}
	}
	if err != nil {
		m.cfg.Log.Debug("cannot remember what was proved of a copy", "repo", r.Name(), "err", err)
	}
}
