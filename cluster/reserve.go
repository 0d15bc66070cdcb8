package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gitmirror/internal/disk"
)

// reserve is a file in raft's directory that does nothing but take space. When
// others have nearly filled the disk it is given up, so that the log can be
// written until somebody has made room: a log that cannot be written ends the
// node.
type reserve struct {
	path string
	disk *disk.Disk
	size int64
	free func() (uint64, error) // bytes
	log  *slog.Logger
}

const (
	reserveFile  = "reserve"
	reserveSize  = 32 << 20
	reserveShare = 50 // a small disk spares one part in so many
	reserveEvery = time.Second
)

// GiveUpReserve makes room in a full file system, for who has to write before a Cluster
// is opened on dir. It returns an error when there is no reserve.
func GiveUpReserve(d *disk.Disk, dir string) error {
	return d.Remove(filepath.Join(dir, reserveFile))
}

func newReserve(d *disk.Disk, dir string, log *slog.Logger) *reserve {
	r := &reserve{path: filepath.Join(dir, reserveFile), disk: d, size: reserveSize, log: log}
	r.free = func() (uint64, error) {
		u, err := d.Usage(dir)
		return u.FreeBytes, err
	}
	if u, err := d.Usage(dir); err == nil {
		r.size = min(r.size, int64(u.Bytes/reserveShare))
	}
	return r
}

// run keeps the reserve while there is room, until ctx ends.
func (r *reserve) run(ctx context.Context) {
	tick := time.NewTicker(reserveEvery)
	defer tick.Stop()
	for {
		r.look()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look gives the reserve up when less than a quarter of it is free beside it, and
// takes it again when four times as much is.
func (r *reserve) look() {
	free, err := r.free()
	if err != nil {
		return // the watchdog finds out what is wrong
	}
	_, err = r.disk.Stat(r.path)
	switch held := err == nil; {
	case held && free < uint64(r.size)/4:
		if err := r.disk.Remove(r.path); err == nil {
			r.log.Warn("the disk of the raft log is nearly full, its reserve is given up: make room", "free_bytes", free, "reserve_bytes", r.size)
		}
	case !held && errors.Is(err, fs.ErrNotExist) && free > 4*uint64(r.size):
		if err := r.take(); err != nil {
			r.log.Debug("cannot reserve space for the raft log", "err", err)
		}
	}
}

func (r *reserve) take() (err error) {
	f, err := r.disk.OpenFile(r.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = r.disk.Remove(r.path) // half a reserve is none
		}
	}()
	if err := f.Allocate(r.size); err != nil {
		return fmt.Errorf("allocate: %w", err)
	}
	return nil
}
