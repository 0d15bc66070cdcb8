package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// TrashAfter is how long a removed repository can still be taken out of the trash.
const TrashAfter = 24 * time.Hour

// Trash takes the repository out of service: its directory leaves the tree at
// once and is emptied a day later. It waits for whoever has acquired it. Until then
// TakeBack brings it back.
func (s *Store) Trash(id string, now time.Time) error { return s.throw(id, now, removed) }

// Scrap is Trash for a copy that cannot be read: it is there for people, and is never taken
// back.
func (s *Store) Scrap(id string, now time.Time) error { return s.throw(id, now, damaged) }

// why something is in the trash is part of its name there.
type why string

const (
	removed why = ""
	damaged why = ".damaged"
)

func (s *Store) throw(id string, now time.Time, because why) error {
	s.mu.Lock()
	r := s.repos[id]
	delete(s.repos, id)
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	r.part()
	r.use.Lock()
	defer r.use.Unlock()
	s.mu.Lock() // no new copy is made meanwhile
	defer s.mu.Unlock()
	if s.repos[id] != nil {
		r.trashed = true // one was made since, which has moved this one away
		return nil
	}
	trash := filepath.Join(s.root, "trash")
	err := directory(s.disk, trash)
	if err == nil {
		err = s.disk.Rename(r.dir, s.trashed(id, now, because))
	}
	if _, there := s.disk.Lstat(r.dir); errors.Is(there, fs.ErrNotExist) {
		r.trashed = true
		if err != nil {
			return nil // somebody has removed it
		}
	}
	if err != nil {
		s.repos[id] = r // it is still there
		r.remain()
		return fmt.Errorf("trash repository: %w", err)
	}
	r.trashed = true
	return errors.Join(s.disk.Sync(trash), s.disk.Sync(filepath.Dir(r.dir)))
}

func (s *Store) trashed(id string, now time.Time, because why) string {
	return filepath.Join(s.root, "trash", fmt.Sprintf("%s.%d%s.git", id, now.UnixNano(), because))
}

// EmptyTrash deletes what has been in the trash for TrashAfter, by the clock that
// Trash was told.
func (s *Store) EmptyTrash(now time.Time) error {
	if err := directory(s.disk, filepath.Join(s.root, "trash")); err != nil {
		return err
	}
	entries, err := s.disk.ReadDir(filepath.Join(s.root, "trash"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || now.Sub(trashedAt(e.Name(), info)) < TrashAfter {
			continue
		}
		if err := s.emptyOne(filepath.Join(s.root, "trash", e.Name())); err != nil {
			return fmt.Errorf("empty trash: %w", err)
		}
	}
	return nil
}

// emptyOne deletes what is in the trash. What is half deleted is no repository any more: nobody
// takes it back.
func (s *Store) emptyOne(dir string) error {
	s.mu.Lock()
	err := s.disk.Remove(filepath.Join(dir, "repo.json"))
	s.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	return s.disk.RemoveAll(dir)
}

func trashedAt(name string, info fs.FileInfo) time.Time {
	parts := strings.Split(name, ".")
	var nanos int64
	if len(parts) >= 3 {
		if _, err := fmt.Sscan(parts[1], &nanos); err == nil {
			return time.Unix(0, nanos)
		}
	}
	return info.ModTime()
}

// TakeBack brings a repository back that is not here and was thrown into the trash, as whole
// as it was: of several the one of the latest generation, and of those the last removed. It
// returns nil where there is none that can be read.
func (s *Store) TakeBack(id string) (*Repo, error) {
	if !lawfulID(id) {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repos[id] != nil {
		return nil, nil
	}
	from, err := s.inTrash(id)
	if err != nil || from == "" {
		return nil, err
	}
	dir := s.dir(id)
	if err := directories(s.disk, filepath.Join(s.root, "repos"), filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("take back: %w", err)
	}
	if err := s.disk.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("take back: %w", err)
	}
	if _, err := s.disk.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("take back: %s is in the way: %w", dir, fs.ErrExist)
	}
	if err := s.disk.Rename(from, dir); err != nil {
		return nil, fmt.Errorf("take back: %w", err)
	}
	r, err := load(s.disk, s.clock, dir)
	if err != nil {
		return nil, fmt.Errorf("take back: %w", err)
	}
	s.repos[id] = r
	for _, d := range []string{filepath.Dir(dir), filepath.Dir(filepath.Dir(dir)), filepath.Join(s.root, "trash")} {
		if err := s.disk.Sync(d); err != nil {
			return nil, fmt.Errorf("take back: %w", err)
		}
	}
	return r, nil
}

// inTrash finds what TakeBack takes, empty for nothing.
func (s *Store) inTrash(id string) (best string, err error) {
	trash := filepath.Join(s.root, "trash")
	if err := directory(s.disk, trash); err != nil {
		return "", err
	}
	dirs, err := matching(s.disk, trash, id+".*.git")
	if err != nil {
		return "", fmt.Errorf("look into the trash: %w", err)
	}
	var most uint64
	var last time.Time
	for _, dir := range dirs {
		if strings.HasSuffix(dir, string(damaged)+".git") || directory(s.disk, dir) != nil {
			continue
		}
		if m, err := metaIn(s.disk, dir); err != nil || m.ID != id {
			continue
		}
		table, err := readTable(s.disk, filepath.Join(dir, tableFile))
		if err != nil {
			continue // it had none yet, or cannot be read
		}
		info, err := s.disk.Lstat(dir)
		if err != nil {
			continue
		}
		at := trashedAt(filepath.Base(dir), info)
		if table.Generation > most || table.Generation == most && at.After(last) {
			best, most, last = dir, table.Generation, at
		}
	}
	return best, nil
}
