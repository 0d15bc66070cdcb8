package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Due is what a node remembers of a repository between two runs: a restart
// must not ask every upstream at once.
type Due struct {
	LastCheck time.Time `json:"last_check,omitzero"`
	NextCheck time.Time `json:"next_check,omitzero"`
	Failures  int       `json:"failures,omitzero"`
}

// State is state.db. Writes are collected and made durable by Flush, many in
// one transaction; a crash loses what was not flushed, which costs a check.
type State struct {
	db *bbolt.DB

	mu    sync.Mutex
	dirty map[string]*Due // nil: delete
}

var dueBucket = []byte("due")

// OpenState opens state.db below root. A damaged file is an error that names it.
func OpenState(root string) (*State, error) {
	path := filepath.Join(root, "state.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		if errors.Is(err, berrors.ErrTimeout) {
			err = errors.New("another process has it open")
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(dueBucket)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return &State{db: db, dirty: map[string]*Due{}}, nil
}

// Due returns what was remembered of a repository.
func (s *State) Due(id string) (Due, bool) {
	s.mu.Lock()
	d, ok := s.dirty[id]
	s.mu.Unlock()
	if ok {
		if d == nil {
			return Due{}, false
		}
		return *d, true
	}
	var due Due
	found := false
	_ = s.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket(dueBucket).Get([]byte(id)); v != nil {
			found = json.Unmarshal(v, &due) == nil
		}
		return nil
	})
	return due, found
}

// Remember keeps d for the next run, once flushed.
func (s *State) Remember(id string, d Due) {
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
	s.dirty = map[string]*Due{}
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
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
}

// Close flushes and closes the file.
func (s *State) Close() error {
	return errors.Join(s.Flush(), s.db.Close())
}
