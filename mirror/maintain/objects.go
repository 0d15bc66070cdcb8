package maintain

import (
	"context"
	"errors"

	"gitmirror/internal/disk"
	"gitmirror/mirror/store"
)

// ErrAbsent says that something is not there that tips lead to.
var ErrAbsent = errors.New("an object is not there")

// Objects does what maintenance does to the objects of copies. dir is a repository's, packs are
// names of its packs without what follows the dot. Errors say nothing of the copy.
type Objects interface {
	// Count is how many objects a pack has, and Mapped which packs the multi-pack-index names,
	// nil where there is none.
	Count(dir, pack string) (int, error)
	Mapped(dir string) ([]string, error)
	// Used is how many bytes of packs all takes that the tips lead to.
	Used(ctx context.Context, dir string, tips []string) (int64, error)
	// Join makes packs in staging, whose alternates dir's are, that have all that packs and
	// the loose objects have.
	Join(ctx context.Context, st *store.Staging, dir string, packs, loose []string) error
	// Gather makes a pack in staging of all that the tips lead to.
	Gather(ctx context.Context, st *store.Staging, tips []string) error
	Walker
	// Map makes what readers find their way by: a multi-pack-index of the packs with a bitmap
	// for what the public tips lead to, and a commit-graph of all tips. scratch is a directory.
	Map(ctx context.Context, dir, scratch string, m Map) error
}

// Untouched are Objects of a node that puts no packs in order, because it has no git: what is
// looked at is there, and nothing is done.
type Untouched struct{ Disk *disk.Disk }

// ErrNoGit says that packs are not put in order here.
var ErrNoGit = errors.New("this node has no git to put packs in order with")

// Count is how many objects a pack has.
func (u Untouched) Count(dir, pack string) (int, error) { return NewGit(nil, u.Disk).Count(dir, pack) }

// Mapped are the packs that the multi-pack-index names.
func (u Untouched) Mapped(dir string) ([]string, error) { return mapped(u.Disk, dir) }

// Used is not known.
func (u Untouched) Used(context.Context, string, []string) (int64, error) { return 0, ErrNoGit }

// Join joins nothing.
func (u Untouched) Join(context.Context, *store.Staging, string, []string, []string) error {
	return ErrNoGit
}

// Gather gathers nothing.
func (u Untouched) Gather(context.Context, *store.Staging, []string) error { return ErrNoGit }

// Map makes no charts.
func (u Untouched) Map(context.Context, string, string, Map) error { return ErrNoGit }

// Walker proves what is there.
type Walker interface {
	// Connected returns an error when not all that the tips lead to is known to be there, as far as
	// whole does not lead to it: ErrAbsent when something is not. Any other says nothing of that.
	Connected(ctx context.Context, dir string, tips, whole []string) error
}

// Map is what is to be found quickly.
type Map struct {
	Packs     []string
	Preferred string   // the one from which what several have is taken
	Public    []string // tips that clients are shown
	Tips      []string // all
}
