package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"gitmirror/internal/disk"
)

// ErrNotOurs is returned where something else stands in the place of a directory of
// ours: a symbolic link, or the directory of another repository. What we write and
// delete must not end up there.
var ErrNotOurs = errors.New("not this node's")

// directory makes sure that path is a directory itself, and no link to one.
func directory(d *disk.Disk, path string) error {
	f, err := d.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err == nil {
		return f.Close()
	}
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s is %w: it must be a directory, and no symbolic link; move it aside", path, ErrNotOurs)
	}
	return err
}

// directories is directory for several, as far as they are there.
func directories(d *disk.Disk, paths ...string) error {
	for _, p := range paths {
		if err := directory(d, p); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readMeta reads the repo.json of a directory that is one itself.
func readMeta(d *disk.Disk, dir string) (m meta, err error) {
	m, err = metaIn(d, dir)
	if err == nil && m.ID+".git" != filepath.Base(dir) {
		return m, fmt.Errorf("%s is %w: its repo.json is of %.80q", dir, ErrNotOurs, m.ID)
	}
	return m, err
}

// metaIn reads the repo.json of a directory that is one itself, whatever it is called.
func metaIn(d *disk.Disk, dir string) (m meta, err error) {
	if err := directory(d, dir); err != nil {
		return m, err
	}
	f, err := d.OpenFile(filepath.Join(dir, "repo.json"), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return m, err
	}
	defer f.Close()
	const most = 64 << 10
	data, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("read repo.json: %w", err)
	}
	return m, nil
}

// ours makes sure, before anything is written, that the directory is still the
// repository's.
func (r *Repo) ours() error {
	if _, err := readMeta(r.disk, r.dir); err != nil {
		return err
	}
	return directories(r.disk, filepath.Join(r.dir, "objects"), filepath.Join(r.dir, "objects/pack"))
}
