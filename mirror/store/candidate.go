package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"weak"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/crashpoint"
	"gitmirror/mirror/refs"
)

// findCandidate takes up what an earlier run prepared, if all of it is there: a
// candidate that cannot be read must not replace a table that can.
func (r *Repo) findCandidate() error {
	t, err := r.CandidateTable()
	switch {
	case err == nil:
		m := markOf(t)
		r.candidate = &m
	case errors.Is(err, refs.ErrDamaged):
		return r.disk.Remove(filepath.Join(r.dir, candidateFile))
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// Candidate is the prepared generation that waits for the log's word: its
// generation, digest and id. ok is false when there is none.
func (r *Repo) Candidate() (generation uint64, digest refs.Digest, id string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.candidate == nil {
		return 0, refs.Digest{}, "", false
	}
	return r.candidate.Generation, r.candidate.Digest, r.candidate.Candidate, true
}

// CandidateTable reads the prepared table, to publish it again.
func (r *Repo) CandidateTable() (*refs.Table, error) {
	return readTable(r.disk, filepath.Join(r.dir, candidateFile))
}

// Prepare makes t a durable candidate beside the live table, replacing any
// earlier one, with the file of its past, if there is one. Its objects must have been
// adopted. Nothing becomes visible.
func (r *Repo) Prepare(t *refs.Table, past []byte) error {
	release, err := r.Acquire()
	if err != nil {
		return err
	}
	defer release()
	if err := r.ours(); err != nil {
		return err
	}
	if !t.Past.IsZero() && past != nil {
		if err := atomicfile.Write(r.disk, r.pastFile(t.Past), past, 0o644); err != nil {
			return fmt.Errorf("write the past of a candidate: %w", err)
		}
	}
	if err := atomicfile.Write(r.disk, filepath.Join(r.dir, candidateFile), t.Encode(), 0o644); err != nil {
		return fmt.Errorf("write candidate: %w", err)
	}
	m := markOf(t)
	r.mu.Lock()
	r.candidate = &m
	r.mu.Unlock()
	crashpoint.Hit(crashpoint.CandidateWritten)
	return nil
}

// Activate makes the candidate live if it is that generation with that digest,
// and tells whether the live table is that one now. One rename does it, once it is noted which
// tips are left thereby; it is repeatable after a crash at any point.
func (r *Repo) Activate(generation uint64, digest refs.Digest) (bool, error) {
	release, err := r.Acquire()
	if err != nil {
		return false, err
	}
	defer release()
	is := func(m *mark) bool { return m != nil && m.Generation == generation && m.Digest == digest }
	r.mu.Lock()
	live, waits := is(&r.live), is(r.candidate)
	r.mu.Unlock()
	if live || !waits {
		return live, nil
	}
	if err := r.leave(); err != nil {
		return false, fmt.Errorf("note the tips that are left: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.candidate
	if !is(c) {
		return false, nil
	}
	if err := r.disk.Rename(filepath.Join(r.dir, candidateFile), filepath.Join(r.dir, tableFile)); err != nil {
		return false, fmt.Errorf("activate generation %d: %w", generation, err)
	}
	// From here on it is live, durable or not: what is in memory must not differ
	// from the disk.
	r.live, r.damaged, r.candidate, r.table = *c, nil, nil, weak.Pointer[refs.Table]{}
	if r.activated != nil {
		close(r.activated)
		r.activated = nil
	}
	if err := r.disk.Sync(r.dir); err != nil {
		return true, fmt.Errorf("activate generation %d: %w", generation, err)
	}
	crashpoint.Hit(crashpoint.TableActivated)
	if err := r.sweepPast(); err != nil {
		return true, err
	}
	return true, r.showHead(c.Head)
}

// showHead keeps git's own HEAD file in step for people who look at the disk;
// clients are answered from the table.
func (r *Repo) showHead(head refs.Head) error {
	content := string(head)
	if content == "" {
		content = "ref: refs/heads/main"
	}
	path := filepath.Join(r.dir, "HEAD")
	if old, err := r.disk.ReadFile(path); err == nil && string(bytes.TrimSpace(old)) == content {
		return nil
	}
	return atomicfile.Write(r.disk, path, []byte(content+"\n"), 0o644)
}

// Discard removes the candidate.
func (r *Repo) Discard() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.candidate == nil {
		return nil
	}
	if err := r.disk.Remove(filepath.Join(r.dir, candidateFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.candidate = nil
	return nil
}
