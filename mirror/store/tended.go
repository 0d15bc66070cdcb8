package store

import (
	"path/filepath"

	"gitmirror/internal/atomicfile"
)

// tendedFile is what is remembered of the maintenance of this copy, by whoever maintains it.
const tendedFile = "tended.json"

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
