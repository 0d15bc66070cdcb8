package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/boltfile"
	"gitmirror/internal/disk"
	"gitmirror/mirror/work"
)

// State is state.db. Writes are collected and made durable by Flush, many in
// one transaction; a crash loses what was not flushed, which costs a check. So
// does damage: the file is a cache, and a damaged one is set aside for a new one,
// at the start and later.
type State struct {
	path string
	disk *disk.Disk
	log  *slog.Logger
	db   atomic.Pointer[bbolt.DB]

	replacing sync.Mutex // of a damaged file

	mu    sync.Mutex
	dirty map[string]*work.Due // nil: delete
}

var dueBucket = []byte("due")

// OpenState opens the store's state.db.
func OpenState(cfg Config) (*State, error) {
	s := &State{path: filepath.Join(cfg.Dir, "state.db"), disk: cfg.Disk, log: cfg.Log, dirty: map[string]*work.Due{}}
	err := s.open()
	if errors.Is(err, boltfile.ErrDamaged) {
		err = s.setAside(err)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *State) open() error {
	db, err := boltfile.Open(s.disk, s.path, string(dueBucket))
	if err != nil {
		return err
	}
	err = boltfile.Update(db, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(dueBucket)
		return err
	})
	if err != nil {
		return fmt.Errorf("open %s: %w", s.path, err)
	}
	s.db.Store(db)
	return nil
}

// setAside renames a damaged file and opens a new one. A database that was open
// is abandoned, not closed: see boltfile.Guard.
func (s *State) setAside(damage error) error {
	to := fmt.Sprintf("%s.damaged-%s", s.path, time.Now().UTC().Format("20060102T150405.000"))
	if err := atomicfile.Rename(s.disk, s.path, to); err != nil {
		return fmt.Errorf("set %s aside: %w", s.path, err)
	}
	s.log.Warn("state.db was damaged and is set aside, due times start anew", "file", to, "err", damage)
	return s.open()
}

// with runs a call on the database. When that shows damage, the file is set
// aside, and what the call would have done is lost.
func (s *State) with(call func(db *bbolt.DB) error) error {
	db := s.db.Load()
	err := call(db)
	if !errors.Is(err, boltfile.ErrDamaged) {
		return err
	}
	s.replacing.Lock()
	defer s.replacing.Unlock()
	if s.db.Load() != db {
		return nil // somebody was faster
	}
	return s.setAside(err)
}

// Due returns what was remembered of a repository.
func (s *State) Due(id string) (work.Due, bool) {
	s.mu.Lock()
	d, ok := s.dirty[id]
	s.mu.Unlock()
	if ok {
		if d == nil {
			return work.Due{}, false
		}
		return *d, true
	}
	var due work.Due
	found := false
	_ = s.with(func(db *bbolt.DB) error {
		return boltfile.View(db, func(tx *bbolt.Tx) error {
			if v := tx.Bucket(dueBucket).Get([]byte(id)); v != nil {
				found = json.Unmarshal(v, &due) == nil
			}
			return nil
		})
	})
	return due, found
}

// Remember keeps d for the next run, once flushed.
func (s *State) Remember(id string, d work.Due) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[id] = &d
}

// Forget drops a repository.
func (s *State) Forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[id] = nil
}

// Flush writes what was collected, in one transaction.
func (s *State) Flush() error {
	s.mu.Lock()
	batch := s.dirty
	s.dirty = map[string]*work.Due{}
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := s.write(batch)
	if err != nil { // it stays to be written, but for what has changed since
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, d := range batch {
			if _, newer := s.dirty[id]; !newer {
				s.dirty[id] = d
			}
		}
	}
	return err
}

func (s *State) write(batch map[string]*work.Due) error {
	if err := s.disk.Announce("write", s.path); err != nil { // bbolt writes it
		return err
	}
	return s.with(func(db *bbolt.DB) error {
		return boltfile.Update(db, func(tx *bbolt.Tx) error {
			b := tx.Bucket(dueBucket)
			for id, d := range batch {
				if d == nil {
					if err := b.Delete([]byte(id)); err != nil {
						return err
					}
					continue
				}
				v, err := json.Marshal(d)
				if err != nil {
					return err
				}
				if err := b.Put([]byte(id), v); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Close flushes and closes the file.
func (s *State) Close() error {
	return errors.Join(s.Flush(), s.db.Load().Close())
}
