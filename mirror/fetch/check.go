package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"gitmirror/internal/disk"
	"gitmirror/internal/gitflaw"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
	"gitmirror/mirror/proof"
)

// Charts returns an error when what readers find their way by is not what was written: a
// multi-pack-index, its bitmap and a commit-graph end with the SHA-1 of all before, which git
// does not look at when it uses them.
func Charts(ctx context.Context, d *disk.Disk, dir string) error {
	packs := filepath.Join(dir, "objects/pack")
	entries, err := d.ReadDir(packs)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInconclusive, err)
	}
	files := []string{filepath.Join(dir, "objects/info/commit-graph")}
	for _, e := range entries {
		if name := e.Name(); name == "multi-pack-index" || strings.HasPrefix(name, "multi-pack-index-") && strings.HasSuffix(name, ".bitmap") {
			files = append(files, filepath.Join(packs, name))
		}
	}
	for _, file := range files {
		if _, err := proof.Seal(ctx, d, file); err != nil && !errors.Is(err, fs.ErrNotExist) { // one that has gone meanwhile is fine
			return Unsealed(ctx, err)
		}
	}
	return nil
}

// Unsealed is what is to be believed of proof.Seal that has failed.
func Unsealed(ctx context.Context, err error) error {
	if ctx.Err() != nil || !errors.Is(err, proof.ErrBroken) {
		return fmt.Errorf("%w: %w", ErrInconclusive, err)
	}
	return failure.New(failure.Corrupt, "it cannot be read: "+err.Error(), err)
}

// Check has git fsck look at each object of the repository in dir, and at all that its refs
// lead to. It is no error that objects have flaws that a mirror may take. Errors are as
// Verify's.
func (f *Fetcher) Check(ctx context.Context, dir string, _ []string) error {
	flaws := slices.Concat(gitflaw.Cosmetic, gitflaw.Acceptable)
	for {
		err := f.fsck(ctx, dir, flaws)
		id := unknownFlaw(err)
		at := slices.IndexFunc(flaws, func(flaw string) bool { return strings.EqualFold(flaw, id) })
		if id == "" || at < 0 {
			return err
		}
		flaws = slices.Delete(flaws, at, at+1) // this git does not look for it
	}
}

// unknownFlaw is the id, in some case, over which git fsck stumbles before it looks at anything,
// empty where it does not. A fetch passes over such ids.
func unknownFlaw(err error) string {
	if err == nil {
		return ""
	}
	_, id, _ := strings.Cut(err.Error(), "Unhandled message id: ")
	id, _, _ = strings.Cut(id, " ")
	return strings.TrimRight(id, ";")
}

func (f *Fetcher) fsck(ctx context.Context, dir string, ignored []string) error {
	var settings []git.Setting
	for _, id := range ignored {
		settings = append(settings, git.Setting{Key: "fsck." + id, Value: "ignore"})
	}
	cmd := f.git.CommandWith(ctx, dir, settings, "fsck", "--full", "--no-dangling", "--no-reflogs", "--no-progress").Gently()
	said := &git.Tail{}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	if err == nil {
		return nil
	}
	failed := cmd.Failed(err, said)
	var exit interface{ ExitCode() int }
	if ctx.Err() == nil && errors.As(err, &exit) && exit.ExitCode() > 1 && exit.ExitCode() < 16 { // the bits of what it has found
		return failure.New(failure.Corrupt, "git fsck finds it damaged: "+failed.Error(), failed)
	}
	return evidence(ctx, failed)
}
