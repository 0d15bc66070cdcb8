package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"gitmirror/internal/crashpoint"
)

// Staging is a throw-away repository whose objects are those of the live one
// and whatever is fetched on top. Nothing in it is visible before Adopt.
type Staging struct {
	repo *Repo
	dir  string
}

// Stage makes a staging repository for r. The caller has acquired r and
// calls Remove in the end, whatever happened.
func (s *Store) Stage(r *Repo) (*Staging, error) {
	live, err := filepath.Abs(filepath.Join(r.dir, "objects"))
	if err != nil {
		return nil, err
	}
	return s.stage(r, live+"\n")
}

func (s *Store) stage(r *Repo, alternates string) (*Staging, error) {
	if err := directories(s.disk, filepath.Dir(s.staging), s.staging); err != nil {
		return nil, err
	}
	dir, err := s.disk.MkdirTemp(s.staging, r.id+".")
	if err != nil {
		return nil, fmt.Errorf("make staging: %w", err)
	}
	st := &Staging{repo: r, dir: dir}
	for _, sub := range []string{"objects/pack", "objects/info", "refs"} {
		if err := s.disk.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return st, err
		}
	}
	for _, f := range []struct{ name, content string }{
		{"HEAD", "ref: refs/heads/none\n"},
		{"config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"},
		{"objects/info/alternates", alternates},
	} {
		if f.content == "" {
			continue
		}
		if err := s.disk.WriteFile(filepath.Join(dir, f.name), []byte(f.content), 0o644); err != nil {
			return st, err
		}
	}
	return st, nil
}

// Dir is where git finds the staging repository.
func (s *Staging) Dir() string { return s.dir }

// Whole are the tips of the live table: what they lead to is among the objects of the live
// repository.
func (s *Staging) Whole() ([]string, error) {
	live, err := s.repo.Table()
	if err != nil {
		return nil, err
	}
	return tipsOf(live), nil
}

// Remove deletes the staging repository and what was not adopted.
func (s *Staging) Remove() error { return s.repo.disk.RemoveAll(s.dir) }

// Received is how many bytes of packs have arrived so far. whole is true once a
// pack has its index: then nothing more is expected from anybody.
func (s *Staging) Received() (n int64, whole bool) {
	entries, err := s.repo.disk.ReadDir(filepath.Join(s.dir, "objects/pack"))
	if err != nil {
		return 0, false
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
		whole = whole || strings.HasPrefix(e.Name(), "pack-") && strings.HasSuffix(e.Name(), ".idx")
	}
	return n, whole
}

// Packs are the names of the packs that are there with their index.
func (s *Staging) Packs() (names []string, err error) {
	found, err := matching(s.repo.disk, filepath.Join(s.dir, "objects/pack"), "pack-*.idx")
	for _, f := range found {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".idx"))
	}
	return names, err
}

// Adopt moves the fetched packs into the live repository and makes them
// durable there. No ref names them yet: a crash leaves garbage, never damage.
// The index goes last, because git takes a pack for usable when it sees one; where a crash leaves
// a pack without it, the next start makes it.
func (s *Staging) Adopt() error {
	from := filepath.Join(s.dir, "objects/pack")
	to := filepath.Join(s.repo.dir, "objects/pack")
	d := s.repo.disk
	packs, err := matching(d, from, "pack-*.pack")
	if err != nil {
		return fmt.Errorf("adopt objects: %w", err)
	}
	loose, err := matching(d, filepath.Join(s.dir, "objects"), "[0-9a-f][0-9a-f]")
	if err == nil && len(loose) > 0 {
		err = errors.New("there are some outside of packs")
	}
	if err != nil {
		return fmt.Errorf("adopt objects: %w", err)
	}
	if err := s.repo.ours(); err != nil {
		return fmt.Errorf("adopt objects: %w", err)
	}
	s.repo.packs.Lock()
	defer s.repo.packs.Unlock()
	for _, pack := range packs {
		base := strings.TrimSuffix(filepath.Base(pack), ".pack")
		if err := s.repo.unhide(base); err != nil {
			return fmt.Errorf("adopt objects: %w", err)
		}
		for _, ext := range []string{".pack", ".rev", ".idx"} {
			file := filepath.Join(from, base+ext)
			if _, err := d.Stat(file); err != nil {
				if ext == ".rev" && errors.Is(err, fs.ErrNotExist) {
					continue
				}
				return fmt.Errorf("adopt objects: %w", err)
			}
			if err := d.Sync(file); err != nil {
				return fmt.Errorf("adopt objects: %w", err)
			}
			if err := d.Rename(file, filepath.Join(to, base+ext)); err != nil {
				return fmt.Errorf("adopt objects: %w", err)
			}
			if ext == ".pack" {
				crashpoint.Hit(crashpoint.PackMoved)
			}
		}
	}
	if len(packs) > 0 {
		if err := d.Sync(to); err != nil {
			return fmt.Errorf("adopt objects: %w", err)
		}
	}
	crashpoint.Hit(crashpoint.ObjectsMoved)
	return nil
}

// Drop deletes what Scratch made.
func (s *Store) Drop(scratch string) error { return s.disk.RemoveAll(scratch) }

// Scratch makes an empty directory that lives as long as this run.
func (s *Store) Scratch() (string, error) {
	dir, err := s.disk.MkdirTemp(s.staging, "scratch.")
	if err != nil {
		return "", fmt.Errorf("make scratch directory: %w", err)
	}
	return dir, nil
}
