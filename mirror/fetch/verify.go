package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
	"gitmirror/mirror/proof"
)

const packDir = "objects/pack"

// Reading may take as long as a slow disk needs, and no longer.
const (
	readAtLeast = 10 * time.Minute
	readRate    = 1 << 20 // bytes a second
)

// readable bounds ctx by how long it may take to read the packs in dir.
func (f *Fetcher) readable(ctx context.Context, dir string) (context.Context, context.CancelFunc) {
	var bytes int64
	files, _ := f.disk.ReadDir(filepath.Join(dir, packDir)) // or it is not bounded by more than the least
	for _, file := range files {
		if info, err := file.Info(); err == nil && strings.HasSuffix(file.Name(), ".pack") {
			bytes += info.Size()
		}
	}
	return within(ctx, bytes)
}

func within(ctx context.Context, bytes int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, readAtLeast+time.Duration(bytes/readRate)*time.Second)
}

// Reread is Verify, of which is left out what follows from what is known, since it was proved of the
// same files: these are read and compared. It returns what is known by then.
func (f *Fetcher) Reread(ctx context.Context, dir string, oids []string, known proof.Proof) (proof.Proof, error) {
	return Renewed(ctx, known, proof.Copy{Engine: looking{f}, Disk: f.disk, Dir: dir, Tips: oids})
}

// Renewed is what a proof of a copy comes to now, and its error as Verify's are.
func Renewed(ctx context.Context, known proof.Proof, c proof.Copy) (proof.Proof, error) {
	now, err := known.Renew(ctx, c)
	if errors.Is(err, proof.ErrBroken) || err != nil && ctx.Err() != nil {
		err = Unsealed(ctx, err)
	}
	return now, err
}

// looking is a Fetcher that looks at what it has.
type looking struct{ *Fetcher }

func (l looking) Connected(ctx context.Context, dir string, tips, whole []string) error {
	return l.connected(ctx, dir, tips, whole)
}

// Verify returns an error when not everything that the oids lead to can be read:
// each pack is read and checked, and what readers find their way by, all is walked
// through, and then the pack is made that a clone would get. It is a *failure.Error, or wraps
// ErrInconclusive.
func (f *Fetcher) Verify(ctx context.Context, dir string, oids []string) error {
	files, err := f.disk.ReadDir(filepath.Join(dir, "objects/pack"))
	if errors.Is(err, fs.ErrNotExist) {
		return failure.New(failure.Corrupt, "it cannot be read: it has no objects/pack", err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInconclusive, err)
	}
	// Packs are sent as they lie on the disk, unchecked: only reading them tells.
	for _, file := range files {
		base, isPack := strings.CutSuffix(file.Name(), ".pack")
		if !isPack {
			continue
		}
		err = f.VerifyPack(ctx, dir, base)
		if _, there := f.disk.Lstat(filepath.Join(dir, packDir, base+".idx")); err != nil && !errors.Is(there, fs.ErrNotExist) {
			return err // one that is gone is no part of the copy any more
		}
	}
	if err := Charts(ctx, f.disk, dir); err != nil {
		return err
	}
	if err := f.connected(ctx, dir, oids, nil); err != nil {
		return err
	}
	return f.Clone(ctx, dir, oids)
}

// VerifyPack reads a pack, puts its objects together and compares its index with it. Its errors
// are as Verify's.
func (f *Fetcher) VerifyPack(ctx context.Context, dir, pack string) error {
	index := filepath.Join(packDir, pack+".idx")
	var size int64
	if info, err := f.disk.Stat(filepath.Join(dir, packDir, pack+".pack")); err == nil {
		size = info.Size()
	}
	ctx, cancel := within(ctx, size)
	defer cancel()
	if err := f.git.Command(ctx, dir, "verify-pack", "--", index).Gently().RunCaptured(); err != nil {
		return evidence(ctx, err)
	}
	return nil
}

// connected walks from the oids to what is known to be whole, as far as it does not lead to it.
func (f *Fetcher) connected(ctx context.Context, dir string, oids, whole []string) error {
	ctx, cancel := f.readable(ctx, dir)
	defer cancel()
	return (&proofs{Fetcher: f, ctx: ctx, dir: dir, whole: whole}).connected(oids)
}

// Clone makes the pack that a clone would get. Its errors are as Verify's.
func (f *Fetcher) Clone(ctx context.Context, dir string, oids []string) error {
	ctx, cancel := f.readable(ctx, dir)
	defer cancel()
	cmd := f.git.Command(ctx, dir, "pack-objects", "--revs", "--stdout", "--quiet", "--delta-base-offset")
	cmd.Stdin = strings.NewReader(strings.Join(oids, "\n") + "\n")
	cmd.Stdout = io.Discard
	tail := &git.Tail{}
	cmd.Stderr = tail
	if err := cmd.Run(); err != nil {
		return evidence(ctx, cmd.Failed(err, tail))
	}
	return nil
}

// ErrInconclusive says that git could not look at a copy: it could not be run, was
// killed, or lacked memory, threads or time. That says nothing of the copy.
var ErrInconclusive = errors.New("git could not look at it")

// evidence is what is to be believed of a git that has failed to read a copy.
func evidence(ctx context.Context, err error) error {
	if ctx.Err() != nil || !git.Judged(err) {
		return fmt.Errorf("%w: %w", ErrInconclusive, err)
	}
	return failure.New(failure.Corrupt, "it cannot be read: "+err.Error(), err)
}
