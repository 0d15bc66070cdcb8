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

// Joined are Objects of a node without git: its packs are joined, so that they do not pile up, and
// nothing is thrown away.
type Joined struct {
	Disk   *disk.Disk
	Joiner Joiner
}

// Joiner is who joins packs, see Objects.
type Joiner interface {
	Join(ctx context.Context, st *store.Staging, dir string, packs, loose []string) error
}

// Joins are the jobs that are done without git.
var Joins = []Job{Read, Check, Join}

// ErrNoGit says that a job is not done here.
var ErrNoGit = errors.New("this node has no git to do it with")

// Count is how many objects a pack has.
func (j Joined) Count(dir, pack string) (int, error) { return NewGit(nil, j.Disk).Count(dir, pack) }

// Mapped are the packs that the multi-pack-index names.
func (j Joined) Mapped(dir string) ([]string, error) { return mapped(j.Disk, dir) }

// Used is not known.
func (j Joined) Used(context.Context, string, []string) (int64, error) { return 0, ErrNoGit }

// Join makes one pack, and compares it with what it was made of, id by id: nothing but this says
// that they can go.
func (j Joined) Join(ctx context.Context, st *store.Staging, dir string, packs, loose []string) error {
	if err := j.Joiner.Join(ctx, st, dir, packs, loose); err != nil {
		return err
	}
	return joined(j.Disk, st, dir, packs, loose)
}

// Gather gathers nothing.
func (j Joined) Gather(context.Context, *store.Staging, []string) error { return ErrNoGit }

// Map makes no charts.
func (j Joined) Map(context.Context, string, string, Map) error { return ErrNoGit }

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
