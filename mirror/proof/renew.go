package proof

import (
	"context"
	"errors"
	"slices"

	"gitmirror/internal/disk"
)

// Engine looks at the objects of the repository in dir.
type Engine interface {
	// Verify returns an error when not everything that the tips lead to can be read; what it is is
	// the engine's.
	Verify(ctx context.Context, dir string, tips []string) error
	// VerifyPack reads a pack, puts its objects together and compares its index with it.
	VerifyPack(ctx context.Context, dir, pack string) error
	// Connected returns an error when it is not known that all that the tips lead to is
	// there, as far as whole does not lead to it.
	Connected(ctx context.Context, dir string, tips, whole []string) error
	// Clone makes the pack that a clone would get.
	Clone(ctx context.Context, dir string, tips []string) error
}

// Copy is one, and who looks at it.
type Copy struct {
	Engine
	Disk *disk.Disk
	Dir  string
	Tips []string
}

// Renew reads all files of a copy, and proves of what is in them what p does not say. What cannot
// be proved like that the engine verifies as a whole, whose error Renew returns, if it is not
// that of Seal. It returns what is proved by then: where the files have changed too much
// meanwhile, nothing.
func (p Proof) Renew(ctx context.Context, c Copy) (Proof, error) {
	n, err := list(c.Disk, c.Dir)
	if err != nil {
		return Proof{}, c.Verify(ctx, c.Dir, c.Tips) // it knows what that means
	}
	now := Proof{Whole: slices.Compact(slices.Sorted(slices.Values(c.Tips)))}
	if now.Files, err = seals(ctx, c.Disk, c.Dir, n.files); err == nil {
		now.Charts, err = seals(ctx, c.Disk, c.Dir, n.charts)
	}
	if err == nil {
		_, err = seals(ctx, c.Disk, c.Dir, n.beside)
	}
	switch {
	case errors.Is(err, ErrBroken) || err != nil && ctx.Err() != nil:
		return Proof{}, err
	case err != nil:
		return Proof{}, c.Verify(ctx, c.Dir, c.Tips)
	}
	if !n.loose && p.leadsTo(ctx, c, now, n.packs) {
		return now, nil
	}
	if err := c.Verify(ctx, c.Dir, c.Tips); err != nil {
		return Proof{}, err
	}
	return now.since(ctx, c), nil
}

// leadsTo tells whether now is proved.
func (p Proof) leadsTo(ctx context.Context, c Copy, now Proof, packs []string) bool {
	looked := map[File]bool{}
	for _, f := range p.Files {
		if !slices.ContainsFunc(now.Files, f.is) {
			return false // or is another
		}
		looked[File{f.Name, f.Seal, false}] = !f.New
	}
	if p.Empty() {
		return false
	}
	for _, pack := range packs {
		known := true
		for _, f := range now.Files {
			if f.Name == packDir+pack+".pack" || f.Name == packDir+pack+".idx" {
				known = known && looked[f]
			}
		}
		if !known && c.VerifyPack(ctx, c.Dir, pack) != nil {
			return false
		}
	}
	unseen := func(f File) bool { return !slices.ContainsFunc(p.Charts, f.is) }
	if slices.ContainsFunc(now.Charts, unseen) && c.Clone(ctx, c.Dir, c.Tips) != nil {
		return false
	}
	var tips []string
	for _, oid := range now.Whole {
		if _, known := slices.BinarySearch(p.Whole, oid); !known {
			tips = append(tips, oid)
		}
	}
	return len(tips) == 0 || c.Connected(ctx, c.Dir, tips, p.Whole) == nil
}

// since is p, which was proved by the files of c as they are now: what has come while that
// was done may have been a part of it.
func (p Proof) since(ctx context.Context, c Copy) Proof {
	n, err := list(c.Disk, c.Dir)
	if err != nil || n.loose {
		return Proof{}
	}
	for _, f := range p.Files {
		if !slices.Contains(n.files, f.Name) {
			return Proof{} // and so may have been what it had
		}
	}
	var came []string
	for _, name := range n.files {
		if !slices.ContainsFunc(p.Files, func(f File) bool { return f.Name == name }) {
			came = append(came, name)
		}
	}
	files, err := seals(ctx, c.Disk, c.Dir, came)
	if err != nil || len(files) < len(came) {
		return Proof{}
	}
	for _, f := range files {
		f.New = true
		p.Files = append(p.Files, f)
	}
	return p
}
