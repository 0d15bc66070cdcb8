// Package store keeps bare repositories on this disk so that a reader and a
// crash see one whole generation or the one before, never a mixture.
//
// Layout, below the root:
//
//	repos/<xx>/<id>.git/           a bare repository; no loose refs, ever
//	  packed-refs                  the live ref table (package refs): the commit point
//	  packed-refs.candidate        a prepared one, complete and durable, not yet live
//	  packed-refs.lost.<n>         one that was live here and is published nowhere else
//	  repo.json                    id and name, so that a node alone can serve
//	  tips.left                    tips that the live table has left within a day
//	  tended.json                  when it was verified and put in order, see package maintain
//	  objects/pack/                packs, moved in whole
//	staging/<start id>/            half-done work of this run; swept at the next start
//	trash/<id>.<time>.git          removed repositories, emptied after a day
//	trash/<id>.<time>.damaged.git  those that were thrown away because they cannot be read
//	state.db                       due times and the like: see State
//
// A generation is two durable steps: objects are moved in (no ref names them),
// then the table is replaced by one rename. Git itself never writes refs here.
// What the store does not know: which generation is right. It is told.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/clock"
	"gitmirror/internal/disk"
)

// Config says where a node's directories are.
type Config struct {
	Dir     string      // below it everything is
	StartID string      // names this run's staging
	Disk    *disk.Disk  // that they are on; default this machine's
	Clock   clock.Clock // default the machine's
	Log     *slog.Logger
}

// Store is the directory tree of one node. Only one process may open it.
type Store struct {
	root    string
	staging string
	disk    *disk.Disk
	clock   clock.Clock
	log     *slog.Logger

	mu    sync.RWMutex
	repos map[string]*Repo
}

// Open makes the tree where it is missing, finds the repositories and sweeps
// what a killed run left: staging, temporary files and locks. Candidates stay:
// the log decides about them.
func Open(cfg Config) (*Store, error) {
	root := cfg.Dir
	s := &Store{root: root, staging: filepath.Join(root, "staging", cfg.StartID), disk: cfg.Disk, clock: cfg.Clock, log: cfg.Log, repos: map[string]*Repo{}}
	if s.clock == nil {
		s.clock = clock.System
	}
	if err := directories(s.disk, filepath.Join(root, "repos"), filepath.Join(root, "trash"), filepath.Join(root, "staging")); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	for _, dir := range []string{"repos", "trash"} {
		if err := s.disk.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return nil, fmt.Errorf("make store: %w", err)
		}
	}
	if err := s.disk.RemoveAll(filepath.Join(root, "staging")); err != nil {
		return nil, fmt.Errorf("sweep staging: %w", err)
	}
	if err := s.disk.MkdirAll(s.staging, 0o755); err != nil {
		return nil, fmt.Errorf("make staging: %w", err)
	}
	if err := s.find(); err != nil {
		return nil, err
	}
	return s, nil
}

// find loads every repository and removes those that were never finished.
func (s *Store) find() error {
	shards, err := matching(s.disk, filepath.Join(s.root, "repos"), "*")
	if err != nil {
		return fmt.Errorf("find repositories: %w", err)
	}
	for _, shard := range shards {
		if err := directory(s.disk, shard); err != nil {
			if errors.Is(err, ErrNotOurs) {
				s.log.Warn("left alone", "dir", shard, "err", err)
			}
			continue
		}
		half, err := matching(s.disk, shard, "*"+making)
		if err != nil {
			return fmt.Errorf("find repositories: %w", err)
		}
		for _, dir := range half {
			if err := s.disk.RemoveAll(dir); err != nil {
				return fmt.Errorf("sweep half-made repository: %w", err)
			}
		}
		dirs, err := matching(s.disk, shard, "*.git")
		if err != nil {
			return fmt.Errorf("find repositories: %w", err)
		}
		for _, dir := range dirs {
			r, err := load(s.disk, s.clock, dir)
			if err != nil {
				// A whole repository has its repo.json: this is something else.
				s.log.Warn("unusable repository directory, left alone", "dir", dir, "err", err)
				continue
			}
			s.repos[r.id] = r
		}
	}
	return nil
}

// matching lists the files of dir whose names match a pattern. Unlike
// filepath.Glob it takes dir as it is, brackets and all, and hides no error.
func matching(d *disk.Disk, dir, pattern string) ([]string, error) {
	entries, err := d.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if ok, err := filepath.Match(pattern, e.Name()); err != nil {
			return nil, err
		} else if ok {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found, nil
}

// meta is repo.json.
type meta struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Close takes away what this run staged. What cannot be taken away, the next start sweeps.
func (s *Store) Close() { _ = s.disk.RemoveAll(s.staging) }

// Repo returns the repository of that id, or nil.
func (s *Store) Repo(id string) *Repo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.repos[id]
}

// Repos returns all repositories, in no order.
func (s *Store) Repos() []*Repo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]*Repo, 0, len(s.repos))
	for _, r := range s.repos {
		list = append(list, r)
	}
	return list
}

// ByName finds a repository by the name it had when it was last told. It
// serves nodes that have no table to ask; names fold case.
func (s *Store) ByName(name string) *Repo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.repos {
		if strings.EqualFold(r.Name(), name) {
			return r
		}
	}
	return nil
}

// Ensure returns the repository of that id, making an empty one if there is
// none, and has it remember the name.
func (s *Store) Ensure(id, name string) (*Repo, error) {
	if !lawfulID(id) {
		return nil, fmt.Errorf("unlawful repository id %q", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.repos[id]; r != nil {
		return r, r.rename(name)
	}
	dir := s.dir(id)
	if err := directories(s.disk, filepath.Join(s.root, "repos"), filepath.Dir(dir), dir); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	if _, err := readMeta(s.disk, dir); errors.Is(err, ErrNotOurs) {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	err := create(s.disk, dir, meta{id, name})
	if _, ours := s.disk.Stat(filepath.Join(dir, "objects", "pack")); errors.Is(err, fs.ErrExist) && ours == nil {
		// A repository of that name that could not be loaded is what damage left.
		s.log.Warn("an unusable repository directory goes to the trash", "dir", dir)
		if err = s.disk.Rename(dir, s.trashed(id, time.Now(), damaged)); err == nil {
			err = create(s.disk, dir, meta{id, name})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	r, err := load(s.disk, s.clock, dir)
	if err != nil {
		return nil, err
	}
	s.repos[id] = r
	return r, nil
}

func (s *Store) dir(id string) string {
	return filepath.Join(s.root, "repos", strings.ToLower(id[len(id)-2:]), id+".git")
}

func lawfulID(id string) bool {
	if len(id) < 4 || len(id) > 64 {
		return false
	}
	return strings.IndexFunc(id, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}) < 0
}

const making = ".making"

// create builds a repository directory under a name of its own and renames it
// into place, so that one that exists is whole.
func create(d *disk.Disk, dir string, m meta) error {
	if err := d.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp := dir + making
	if err := d.RemoveAll(tmp); err != nil {
		return err
	}
	for _, sub := range []string{"objects/pack", "objects/info", "refs"} {
		if err := d.MkdirAll(filepath.Join(tmp, sub), 0o755); err != nil {
			return err
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	for _, f := range []struct{ name, content string }{
		{"HEAD", "ref: refs/heads/main\n"},
		{"config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"},
		{"repo.json", string(data)},
	} {
		if err := atomicfile.WriteBeside(d, filepath.Join(tmp, f.name), []byte(f.content), 0o644); err != nil {
			return err
		}
	}
	for _, sub := range []string{"objects/pack", "objects", ""} {
		if err := d.Sync(filepath.Join(tmp, sub)); err != nil {
			return err
		}
	}
	if err := atomicfile.Rename(d, tmp, dir); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is in the way; move it aside: %w", dir, err)
		}
		return err
	}
	return d.Sync(filepath.Dir(filepath.Dir(dir)))
}
