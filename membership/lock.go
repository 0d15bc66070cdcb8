package membership

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gitmirror/internal/advice"
	"gitmirror/internal/disk"
)

// lockPatience is how long a start waits for the git children of a killed run:
// they inherited the lock and end with their parent.
const (
	lockPatience = 10 * time.Second
	lockSaid     = time.Second
)

// lockFile is in the data directory.
const lockFile = "lock"

// Lock makes the data directory and takes it for this process. The lock is
// inherited by children, so that it outlives us as long as one of them lives.
//
// waits is told, once, that the directory is in use: when that is so after lockSaid. It may be nil.
func Lock(ctx context.Context, d *disk.Disk, dir string, waits func(string)) (*os.File, error) {
	if err := d.MkdirAll(dir, 0o700); err != nil {
		return nil, &advice.Error{Message: fmt.Sprintf("cannot make the data directory: %v", err), Try: "choose another with --data", Err: err}
	}
	f, err := d.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &advice.Error{Message: fmt.Sprintf("cannot use the data directory: %v", err), Try: "choose another with --data, or mend its permissions", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	said := time.NewTimer(lockSaid)
	defer said.Stop()
	for {
		free, err := f.TryLock()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock the data directory: %w", err), f.Close())
		}
		if free {
			return f.Host(), nil
		}
		select {
		case <-tick.C:
		case <-said.C:
			if waits != nil {
				waits(fmt.Sprintf("the data directory %s, which %s uses: for %s at most", dir, holder(d, f), lockPatience))
			}
		case <-ctx.Done():
			return nil, errors.Join(&advice.Error{Message: fmt.Sprintf("the data directory %s is in use by another process", dir),
				Try: "stop the other node, or choose another directory with --data"}, f.Close())
		}
	}
}

// holder names who has the lock that f wants, as far as the system tells.
func holder(d *disk.Disk, f *disk.File) string {
	const unknown = "another process"
	is, err := f.Stat()
	if err != nil {
		return unknown
	}
	of, ok := is.Sys().(*syscall.Stat_t)
	locks, err := d.ReadFile("/proc/locks")
	if !ok || err != nil {
		return unknown
	}
	for line := range strings.Lines(string(locks)) { // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF
		if w := strings.Fields(line); len(w) > 5 && w[1] == "FLOCK" && strings.HasSuffix(w[5], fmt.Sprintf(":%d", of.Ino)) {
			return "process " + w[4]
		}
	}
	return unknown
}
