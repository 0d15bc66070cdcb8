package gogit

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/internal/gitflaw"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/proof"
)

// Verify returns an error when not everything that the oids lead to can be read: each pack is
// read and its objects put together, its index is compared with it, and all that objects lead to
// has to be there. It is a *failure.Error, or wraps fetch.ErrInconclusive.
func (o *Objects) Verify(ctx context.Context, dir string, oids []string) error {
	return o.examine(ctx, dir, oids, &looker{})
}

// Reread is Verify, of which is left out what follows from what is known, since it was proved of the
// same files: these are read and compared. It returns what is known by then.
func (o *Objects) Reread(ctx context.Context, dir string, oids []string, known proof.Proof) (proof.Proof, error) {
	return fetch.Renewed(ctx, known, proof.Copy{Engine: o, Disk: o.disk, Dir: dir, Tips: oids})
}

// VerifyPack reads a pack, puts its objects together and compares its index with it. Its errors
// are as Verify's.
func (o *Objects) VerifyPack(ctx context.Context, dir, pack string) error {
	err := guarded(func() error {
		return o.onePack(ctx, filepath.Join(dir, "objects/pack", pack), &looker{}, links{})
	})
	if err != nil {
		return evidence(ctx, err)
	}
	return nil
}

// Clone has nothing to find out: no clone is served from here, and no peer finds its way by charts.
func (o *Objects) Clone(context.Context, string, []string) error { return nil }

// Check looks at each object of the repository in dir by git's rules, and at all that its refs
// lead to. It is no error that objects have flaws that a mirror may take. Errors are as Verify's.
func (o *Objects) Check(ctx context.Context, dir string, oids []string) error {
	l := &looker{rules: true, taken: taking(slices.Concat(gitflaw.Cosmetic, gitflaw.Acceptable))}
	return o.examine(ctx, dir, oids, l)
}

// examine reads all packs of a copy.
func (o *Objects) examine(ctx context.Context, dir string, oids []string, l *looker) error {
	err := guarded(func() error { return o.examined(ctx, dir, oids, l) })
	if err != nil && !errors.Is(err, fetch.ErrInconclusive) {
		return evidence(ctx, err)
	}
	return err
}

func (o *Objects) examined(ctx context.Context, dir string, oids []string, l *looker) error {
	l.links, l.most = links{}, o.memory/linkBytes
	packs := filepath.Join(dir, "objects/pack")
	files, err := o.disk.ReadDir(packs)
	if errors.Is(err, fs.ErrNotExist) {
		return failure.New(failure.Corrupt, "it cannot be read: it has no objects/pack", err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", fetch.ErrInconclusive, err)
	}
	have := links{}
	for _, f := range files {
		base, isPack := strings.CutSuffix(f.Name(), ".pack")
		if !isPack {
			continue
		}
		err := o.onePack(ctx, filepath.Join(packs, base), l, have)
		if _, there := o.disk.Lstat(filepath.Join(packs, base+".idx")); err != nil && !errors.Is(there, fs.ErrNotExist) {
			return evidence(ctx, err) // one that is gone is no part of the copy any more
		}
	}
	if err := fetch.Charts(ctx, o.disk, dir); err != nil {
		return err
	}
	whole := l.links != nil
	for id, kind := range l.links {
		if have[id] != kind {
			whole = false // of what nothing leads to, something may be missing
		}
	}
	for _, id := range hashes(oids) {
		if have[id] == plumbing.InvalidObject {
			whole = false // or it is in no pack
		}
	}
	if whole && !l.rules {
		return nil
	}
	r, err := o.open(dir)
	if err != nil {
		return evidence(ctx, err)
	}
	defer r.close()
	if !whole {
		if err := r.proof(ctx).connected(hashes(oids), nil); err != nil {
			return evidence(ctx, err)
		}
	}
	if l.rules {
		if err := l.files(r, ""); err != nil {
			return evidence(ctx, err)
		}
	}
	return nil
}

// onePack reads a pack, and adds what it has.
func (o *Objects) onePack(ctx context.Context, base string, l *looker, have links) error {
	p, err := o.packIn(ctx, base+".pack", l)
	if err != nil {
		return err
	}
	defer p.file.Close()
	if int64(len(have)+len(p.entries))*entryBytes > o.memory {
		return o.tooMuch("a copy of so many objects")
	}
	if err := p.sort(); err != nil {
		return err
	}
	sum, err := p.checksum()
	if err != nil {
		return err
	}
	if err := o.sameIndex(base+".idx", p.entries, sum); err != nil {
		return err
	}
	for _, e := range p.entries {
		have[e.id] = e.kind
	}
	return nil
}

// sameIndex returns an error when an index is not that of a pack with these entries: git may
// have made it, and puts offsets elsewhere.
func (o *Objects) sameIndex(path string, entries []entry, pack plumbing.Hash) error {
	x, err := readIndex(o.disk, path)
	name := filepath.Base(path)
	wrong := failure.New(failure.Corrupt, name+" is not the index of its pack", nil)
	switch {
	case errors.Is(err, errIndex):
		return failure.Wrap(failure.Corrupt, err)
	case err != nil:
		return err
	case x.n != len(entries):
		return wrong
	}
	data := x.data
	sum := sha1.Sum(data[:len(data)-trailer])
	if !bytes.Equal(sum[:], data[len(data)-trailer:]) || !bytes.Equal(pack[:], data[len(data)-2*trailer:len(data)-trailer]) {
		return failure.New(failure.Corrupt, "the checksum of "+name+" is another", nil)
	}
	for i, e := range entries {
		if x.id(i) != e.id || x.offset(i) != e.offset {
			return wrong
		}
	}
	return nil
}

// Connected returns an error when not all that the tips lead to is there, as far as whole does
// not lead to it: ErrMissing when something is not.
func (o *Objects) Connected(ctx context.Context, dir string, tips, whole []string) error {
	r, err := o.open(dir)
	if err != nil {
		return evidence(ctx, err)
	}
	defer r.close()
	if err := r.proof(ctx).connected(hashes(tips), hashes(whole)); err != nil {
		return evidence(ctx, err)
	}
	return nil
}

// evidence is what is to be believed of a failure to read a copy.
func evidence(ctx context.Context, err error) error {
	f := (*failure.Error)(nil)
	ours := ctx.Err() != nil || errors.As(err, new(*stumbleError)) || errors.As(err, &f) && f.Class == failure.OutOfMemory || errors.Is(err, fs.ErrPermission)
	for _, shortage := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOSPC, syscall.EDQUOT} {
		ours = ours || errors.Is(err, shortage)
	}
	if ours {
		return fmt.Errorf("%w: %w", fetch.ErrInconclusive, err)
	}
	if f != nil && f.Class == failure.Corrupt && strings.HasPrefix(f.Message, unreadable) {
		return f
	}
	return failure.New(failure.Corrupt, unreadable+err.Error(), err)
}

const unreadable = "it cannot be read: "

// isConnection tells an error of a connection from one of what came over it.
func isConnection(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, new(interface{ Timeout() bool })) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, context.Canceled)
}
