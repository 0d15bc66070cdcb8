package mirror

import (
	"context"

	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// base is what the next table is compared with: it decides what is a change, of
// which kind, and which tips are kept.
type base struct {
	table   *refs.Table
	of      Generation // that it is, zero for none
	rebuilt bool       // from what the log says, not from a disk
}

// baseOf is the live table where that is the published one. A successor whose
// copy is behind takes the public refs of the published generation, rebuilt by
// the changes in the log, if they give the digest of the row; else what is live.
func (e *Engine) baseOf(a Assignment, live *refs.Table) base {
	if live.Generation == 0 {
		return base{table: live}
	}
	b := base{table: live, of: Generation{live.Generation, live.Digest()}}
	if live.Generation >= a.Generation || b.of != a.Base {
		return b
	}
	changes, ok := e.cfg.Sources.Logged(a.ID)
	if !ok {
		return b
	}
	table, err := refs.Apply(live, changes, a.Head)
	if err != nil || table.PublicDigest() != a.PublicDigest {
		return b
	}
	return base{table: table, of: Generation{a.Generation, a.Digest}, rebuilt: true}
}

// complete tells whether the objects of the published generation are all here,
// once those of next are. Where its tips are not known, they are not.
func (e *Engine) complete(ctx context.Context, repo *store.Repo, a Assignment, live, next *refs.Table, b base) (bool, error) {
	switch {
	case live.Generation == a.Generation, next.Digest() == a.Digest:
		return true, nil
	case b.rebuilt:
		missing, err := e.fetch.Missing(ctx, repo.Dir(), tips(b.table.Refs, b.table.Head))
		return err == nil && len(missing) == 0, err
	}
	// What it hides was live in its base, which is here; what it shows, upstream
	// shows.
	return b.of.Number > 0 && b.of == a.Base && next.PublicDigest() == a.PublicDigest, nil
}
