package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gitmirror/internal/atomicfile"
	"gitmirror/mirror/refs"
)

// lostFile is the name of a table that was live here once and is published
// nowhere any more; its generation follows.
const lostFile = "packed-refs.lost."

// SetAside keeps the live table beside the one that will replace it. It is
// durable when SetAside returns; doing it twice is doing it once.
func (r *Repo) SetAside(t *refs.Table) error {
	release, err := r.Acquire()
	if err != nil {
		return err
	}
	defer release()
	if err := r.ours(); err != nil {
		return err
	}
	if err := atomicfile.Write(r.disk, r.lost(t.Generation), t.Encode(), 0o644); err != nil {
		return fmt.Errorf("set generation %d aside: %w", t.Generation, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.asides, t.Generation) {
		r.asides = append(slices.Clone(r.asides), t.Generation)
	}
	return nil
}

// Aside reads a table that was set aside.
func (r *Repo) Aside(generation uint64) (*refs.Table, error) {
	return readTable(r.disk, r.lost(generation))
}

// Asides lists the generations that were set aside.
func (r *Repo) Asides() []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asides
}

func (r *Repo) findAsides() ([]uint64, error) {
	found, err := matching(r.disk, r.dir, lostFile+"*")
	if err != nil {
		return nil, err
	}
	var list []uint64
	for _, f := range found {
		if n, err := strconv.ParseUint(strings.TrimPrefix(filepath.Base(f), lostFile), 10, 64); err == nil {
			list = append(list, n)
		}
	}
	return list, nil
}

// DropAside removes a table that was set aside.
func (r *Repo) DropAside(generation uint64) error {
	if err := r.disk.Remove(r.lost(generation)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asides = slices.DeleteFunc(slices.Clone(r.asides), func(n uint64) bool { return n == generation })
	return nil
}

func (r *Repo) lost(generation uint64) string {
	return filepath.Join(r.dir, lostFile+strconv.FormatUint(generation, 10))
}
