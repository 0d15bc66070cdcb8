package mirror

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
)

// errNotLost says that a peer's table is not the lost generation.
var errNotLost = errors.New("it is another table")

// recover looks for generations that the row calls lost. Of those it finds, the
// tips that the live table does not reach are kept, in a next generation that
// says that nothing of them is missing any more.
func (e *Engine) recover(ctx context.Context, j *job, a Assignment) (outcome, error) {
	repo := e.store.Repo(a.ID)
	if repo == nil {
		return outcome{}, nil
	}
	release, err := repo.Acquire()
	if err != nil {
		return outcome{}, err
	}
	defer release()
	live, err := repo.Table()
	if err != nil {
		return outcome{}, err
	}
	var found []*refs.Table
	var recovered []uint64
	for _, g := range a.Lost {
		t, err := e.findLost(ctx, j, repo, a, g)
		if err != nil {
			e.log.Debug("a lost generation is not found yet", "repo", a.Name, "generation", g.Number, "err", err)
			continue
		}
		found, recovered = append(found, t), append(recovered, g.Number)
	}
	if len(found) == 0 || ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	next, record, err := e.withTipsOf(ctx, a, repo, live, found)
	if err != nil {
		return outcome{}, err
	}
	c, err := e.prepare(ctx, repo, a, live, next, record, base{table: live, of: Generation{live.Generation, live.Digest()}}, nil)
	if err != nil {
		return outcome{}, err
	}
	c.Recovered = recovered
	out, err := e.publish(ctx, repo, c)
	if err == nil && out.Changed {
		e.log.Info("lost generations are recovered", "repo", a.Name, "generations", recovered, "in", next.Generation)
	}
	return out, err
}

// findLost returns the table of a lost generation once its objects are here:
// from what this node itself keeps aside, else from a peer.
func (e *Engine) findLost(ctx context.Context, j *job, repo *store.Repo, a Assignment, g Generation) (*refs.Table, error) {
	if t, err := repo.Aside(g.Number); err == nil && t.Digest() == g.Digest {
		return t, nil
	}
	err := fmt.Errorf("no live node keeps it")
	for _, src := range e.cfg.Sources.For(a.ID).Live {
		place, free := e.atPeer(src.Name())
		if !free {
			continue
		}
		var t *refs.Table
		t, err = src.Lost(ctx, g.Number)
		if err == nil && (t.Generation != g.Number || t.Digest() != g.Digest) {
			err = errNotLost
		}
		if err == nil {
			err = e.stage(ctx, j, repo, t.Refs, t.Head, fetch.Source{URL: src.URL()}, turns{place.fetches, e.peerFetches})
			e.doubt(ctx, a, src, err)
		}
		e.leavePeer(src.Name(), place)
		if err == nil {
			return t, nil
		}
	}
	return nil, err
}

// withTipsOf is the live table and, kept, the tips of others that nothing in it
// leads to.
func (e *Engine) withTipsOf(ctx context.Context, a Assignment, repo *store.Repo, live *refs.Table, others []*refs.Table) (*refs.Table, *past.Record, error) {
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
	gone, err := e.unreachable(ctx, repo, gone, live.Refs)
	if err != nil {
		return nil, nil, err
	}
	was := e.pastOf(ctx, a, repo)
	record := was.Clone()
	tips := make([]past.Gone, len(gone))
	for i, c := range gone {
		tips[i] = past.Gone{Change: c, Settled: true, Lost: true}
	}
	all := slices.DeleteFunc(slices.Clone(live.Refs), func(r refs.Ref) bool { return !r.Public() })
	all = append(all, past.Keep(old, was, tips, record, e.cfg.LogTime())...)
	refs.Sort(all)
	return &refs.Table{Candidate: rand.Text(), Head: live.Head, Refs: all}, record, nil
}

// Lost returns the table of a generation that may be lost elsewhere: the live
// one if it is that, else one that was set aside.
func (e *Engine) Lost(id string, generation uint64) (*refs.Table, error) {
	r := e.store.Repo(id)
	if r == nil {
		return nil, ErrNoCopy
	}
	if live, _ := r.Generation(); live == generation {
		return r.Table()
	}
	t, err := r.Aside(generation)
	if err != nil {
		return nil, fmt.Errorf("generation %d is not here: %w", generation, ErrNoCopy)
	}
	return t, nil
}
