package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// programs are what git may start besides itself: its transports. Without http-fetch
// it cannot load packs from where an upstream tells it to (packfile-uris, which git
// follows unasked), nor fall back to the dumb protocol, which checks nothing.
var programs = []string{"git", "git-remote-http", "git-remote-https"}

// confine makes the directory that git takes for its own programs'.
func (r *Runner) confine(ctx context.Context) error {
	out, err := r.Command(ctx, r.home, "--exec-path").Output()
	if err != nil {
		return fmt.Errorf("ask git for its programs: %w", err)
	}
	from, to := strings.TrimSpace(string(out)), r.home+".programs"
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("make git's directory of programs: %w", err)
	}
	there, err := os.ReadDir(to)
	if err != nil {
		return fmt.Errorf("make git's directory of programs: %w", err)
	}
	for _, e := range there {
		if target, err := os.Readlink(filepath.Join(to, e.Name())); err == nil && slices.Contains(programs, e.Name()) && target == filepath.Join(from, e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(to, e.Name())); err != nil {
			return fmt.Errorf("make git's directory of programs: %w", err)
		}
	}
	for _, name := range programs {
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(to, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make git's directory of programs: %w", err)
		}
	}
	r.exec = to
	return nil
}
