package membership

import (
	"os"
	"path/filepath"

	"gitmirror/internal/disk"
)

// Held tells whether a process, or a child that it left, has the data directory.
func Held(d *disk.Disk, dir string) bool {
	f, err := d.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	free, err := f.TryLock()
	return err == nil && !free
}
