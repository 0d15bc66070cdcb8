package sync

import (
	"context"

	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// base is what the next table is compared with: it decides what is a change, of
// which kind, and which tips are kept.
type base struct {
	table   *refs.Table
	of      work.Generation // that it is, zero for none
	rebuilt bool            // from what the log says, not from a disk
}

// baseOf is the live table where that is the published one. A successor whose
// copy is behind takes the public refs of the published generation, rebuilt by
// the changes in the log, if they give the digest of the row; else what is live.
func (w *Worker) baseOf(a work.Assignment, live *refs.Table) base {
	if live.Generation == 0 {
		return base{table: live}
	}
	b := base{table: live, of: work.Generation{Number: live.Generation, Digest: live.Digest()}}
	if live.Generation >= a.Generation || b.of != a.Base {
		return b
	}
	changes, ok := w.holders.Logged(a.ID)
	if !ok {
		return b
	}
	table, err := refs.Apply(live, changes, a.Head)
	if err != nil || table.PublicDigest() != a.PublicDigest {
		return b
	}
	return base{table: table, of: work.Generation{Number: a.Generation, Digest: a.Digest}, rebuilt: true}
}

// complete tells whether the objects of the published generation are all here,
// once those of next are. Where its tips are not known, they are not.
func (w *Worker) complete(ctx context.Context, repo *store.Repo, a work.Assignment, live, next *refs.Table, b base) (bool, error) {
	switch {
	case live.Generation == a.Generation, next.Digest() == a.Digest:
		return true, nil
	case b.rebuilt:
		missing, err := w.missing(ctx, repo, refs.Tips(b.table.Refs, b.table.Head))
		return err == nil && len(missing) == 0, err
	}
	// What it hides was live in its base, which is here; what it shows, upstream
	// shows.
	return b.of.Number > 0 && b.of == a.Base && next.PublicDigest() == a.PublicDigest, nil
}
