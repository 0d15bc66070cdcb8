package store

import (
	"path/filepath"

	"gitmirror/internal/atomicfile"
)

// tendedFile is what is remembered of the maintenance of this copy, by whoever maintains it, and
// provedFile what is known of its objects, and by which files.
const (
	tendedFile = "tended.json"
	provedFile = "proved"
)

// Tended is what SetTended has written last.
func (r *Repo) Tended() ([]byte, error) { return r.disk.ReadFile(filepath.Join(r.dir, tendedFile)) }

// SetTended has something remembered for as long as the copy is here. Who calls it may hold what
// Acquire gives, and so it does not ask for it: behind a trash that waits it would wait for ever.
func (r *Repo) SetTended(data []byte) error {
	if err := r.ours(); err != nil {
		return err
	}
	return atomicfile.Write(r.disk, filepath.Join(r.dir, tendedFile), data, 0o644)
}

// Proved is what SetProved has written last.
func (r *Repo) Proved() ([]byte, error) { return r.disk.ReadFile(filepath.Join(r.dir, provedFile)) }

// SetProved has something remembered of the objects that are here, as SetTended does.
func (r *Repo) SetProved(data []byte) error {
	if err := r.ours(); err != nil {
		return err
	}
	return atomicfile.Write(r.disk, filepath.Join(r.dir, provedFile), data, 0o644)
}
