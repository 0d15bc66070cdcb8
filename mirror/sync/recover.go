package sync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"gitmirror/mirror/fetch"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// errNotLost says that a peer's table is not the lost generation.
var errNotLost = errors.New("it is another table")

// recover looks for generations that the row calls lost. Of those it finds, the
// tips that the live table does not reach are kept, in a next generation that
// says that nothing of them is missing any more.
func (w *Worker) recover(ctx context.Context, a work.Assignment) (work.Result, error) {
	repo := w.store.Repo(a.ID)
	if repo == nil {
		return work.Result{}, nil
	}
	release, err := repo.Build()
	if err != nil {
		return work.Result{}, err
	}
	defer release()
	live, err := repo.Table()
	if err != nil {
		return work.Result{}, err
	}
	var found []*refs.Table
	var recovered []uint64
	for _, g := range a.Lost {
		t, err := w.findLost(ctx, repo, a, g)
		if err != nil {
			w.log.Debug("a lost generation is not found yet", "repo", a.Name, "generation", g.Number, "err", err)
			continue
		}
		found, recovered = append(found, t), append(recovered, g.Number)
	}
	if len(found) == 0 || ctx.Err() != nil {
		return work.Result{}, ctx.Err()
	}
	next, record, err := w.withTipsOf(ctx, a, repo, live, found)
	if err != nil {
		return work.Result{}, err
	}
	c, err := w.prepare(ctx, repo, a, live, next, record, base{table: live, of: work.Generation{Number: live.Generation, Digest: live.Digest()}}, nil)
	if err != nil {
		return work.Result{}, err
	}
	c.Recovered = recovered
	out, err := w.publish(ctx, repo, c)
	if err == nil && out.Changed {
		w.log.Info("lost generations are recovered", "repo", a.Name, "generations", recovered, "in", next.Generation)
	}
	return out, err
}

// findLost returns the table of a lost generation once its objects are here:
// from what this node itself keeps aside, else from a peer.
func (w *Worker) findLost(ctx context.Context, repo *store.Repo, a work.Assignment, g work.Generation) (*refs.Table, error) {
	if t, err := repo.Aside(g.Number); err == nil && t.Digest() == g.Digest {
		return t, nil
	}
	err := fmt.Errorf("no live node keeps it")
	for _, src := range w.holders.For(a.ID).Live {
		place, free := w.places.take(src.Name())
		if !free {
			continue
		}
		var t *refs.Table
		t, err = src.Lost(ctx, g.Number)
		if err == nil && (t.Generation != g.Number || t.Digest() != g.Digest) {
			err = errNotLost
		}
		if err == nil {
			err = w.stage(ctx, repo, t.Refs, t.Head, fetch.Source{Peer: src.URL()}, source{name: src.Name(), peer: true}, turns{place.fetches, w.peerFetches})
			w.doubt(ctx, a, src, err)
		}
		w.places.leave(src.Name(), place)
		if err == nil {
			return t, nil
		}
	}
	return nil, err
}

// withTipsOf is the live table and, kept, the tips of others that nothing in it
// leads to.
func (w *Worker) withTipsOf(ctx context.Context, a work.Assignment, repo *store.Repo, live *refs.Table, others []*refs.Table) (*refs.Table, *past.Record, error) {
	var gone []refs.Change
	old := &refs.Table{Refs: slices.Clone(live.Refs)}
	for _, t := range others {
		for _, r := range t.Refs {
			if _, have := old.Find(r.Name); !r.Public() && !have {
				old.Refs = append(old.Refs, r) // it was kept then, and goes on under its name
				refs.Sort(old.Refs)
			} else if r.Public() {
				gone = append(gone, refs.Change{Ref: r.Name, Old: r.OID, Kind: refs.Deleted})
			}
		}
		if t.Head != "" && t.Head.Target() == "" {
			gone = append(gone, refs.Change{Ref: "HEAD", Old: string(t.Head), Kind: refs.Deleted})
		}
	}
	gone, err := w.unreachable(ctx, repo, gone, live.Refs)
	if err != nil {
		return nil, nil, err
	}
	was := w.pastOf(ctx, a, repo)
	record := was.Clone()
	tips := make([]past.Gone, len(gone))
	for i, c := range gone {
		tips[i] = past.Gone{Change: c, Settled: true, Lost: true}
	}
	all := slices.DeleteFunc(slices.Clone(live.Refs), func(r refs.Ref) bool { return !r.Public() })
	all = append(all, past.Keep(old, was, tips, record, w.logTime())...)
	refs.Sort(all)
	return &refs.Table{Candidate: rand.Text(), Head: live.Head, Refs: all}, record, nil
}
