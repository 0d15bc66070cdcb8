package membership

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gitmirror/internal/advice"
	"gitmirror/internal/disk"
)

// lockPatience is how long a start waits for the git children of a killed run:
// they inherited the lock and end with their parent.
const lockPatience = 10 * time.Second

// lockFile is in the data directory.
const lockFile = "lock"

// Lock makes the data directory and takes it for this process. The lock is
// inherited by children, so that it outlives us as long as one of them lives.
func Lock(ctx context.Context, d *disk.Disk, dir string) (*os.File, error) {
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
		case <-ctx.Done():
			return nil, errors.Join(&advice.Error{Message: fmt.Sprintf("the data directory %s is in use by another process", dir),
				Try: "stop the other node, or choose another directory with --data"}, f.Close())
		}
	}
}
