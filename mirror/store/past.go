package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"gitmirror/mirror/refs"
)

// pastFile is where the file of that digest is, see package past. It is there before
// the table that names it, and goes after it.
func (r *Repo) pastFile(digest refs.Digest) string {
	return filepath.Join(r.dir, "past."+digest.String())
}

// Past reads the file of a table's past.
func (r *Repo) Past(digest refs.Digest) ([]byte, error) {
	if digest.IsZero() {
		return nil, nil
	}
	return r.disk.ReadFile(r.pastFile(digest))
}

// LivePast is the digest of the live table's past.
func (r *Repo) LivePast() refs.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live.Past
}

// sweepPast removes the files that neither the live table nor a candidate names. r.mu
// is held.
func (r *Repo) sweepPast() error {
	found, err := matching(r.disk, r.dir, "past.*")
	if err != nil {
		return err
	}
	keep := map[string]bool{r.pastFile(r.live.Past): true}
	if r.candidate != nil {
		keep[r.pastFile(r.candidate.Past)] = true
	}
	for _, f := range found {
		if keep[f] {
			continue
		}
		if err := r.disk.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old past: %w", err)
		}
	}
	return nil
}
