package node

import (
	"context"
	"path/filepath"

	"gitmirror/internal/disk"
	"gitmirror/mirror/git"
)

// GitVersion is the version of the git that a node would run in this environment, or why none
// would do.
func GitVersion(ctx context.Context) (string, error) {
	var d *disk.Disk
	dir, err := d.MkdirTemp("", "gitmirror-git-")
	if err != nil {
		return "", err
	}
	defer func() { _ = d.RemoveAll(dir) }()
	r, err := git.New(ctx, git.Config{Home: filepath.Join(dir, "home")})
	if err != nil {
		return "", err
	}
	defer r.Close()
	return r.Version(), nil
}
