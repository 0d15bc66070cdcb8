package node

import (
	"context"
	"errors"
	"path/filepath"

	"gitmirror/fsm"
	"gitmirror/internal/advice"
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

// findGit finds git, as the settings say: nil is for none.
func (n *node) findGit(ctx context.Context) (err error) {
	if n.cfg.Engine == EngineGoGit {
		n.log.Info("objects are brought by go-git, in this process", "engine", EngineGoGit)
		return nil
	}
	n.git, err = git.New(ctx, git.Config{Home: filepath.Join(n.cfg.Dir, "home"), Lock: n.lock, Memory: n.cfg.GitMemory})
	unfit := errors.Is(err, git.ErrMissing) || errors.Is(err, git.ErrTooOld)
	switch {
	case err == nil:
		n.log.Debug("objects are brought by git", "engine", EngineGit, "version", n.git.Version())
	case unfit && n.cfg.Engine == EngineGit:
		return &advice.Error{Message: err.Error(), Try: "install git and start again, or start with --engine go-git", Err: err}
	case unfit:
		n.log.Warn("there is no git that will do: objects are brought by go-git, in this process, and clients get packs from nodes that have git", "engine", EngineGoGit, "err", err)
		n.git, err = nil, nil
	}
	return err
}

// version is what the table has of this node's version.
func (n *node) version() string {
	if n.git == nil {
		return n.cfg.Version + fsm.WithoutGit
	}
	return n.cfg.Version
}
