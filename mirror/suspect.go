package mirror

import (
	"context"
	"errors"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/mirror/store"
)

// A suspected copy is read as a whole, and strangers raise suspicions: whatever they ask
// for, a copy is tested once a minute at most, and not before it has rested for some times
// as long as its last test took. Suspected copies are tested one after the other, with a
// rest as long as the test, as they are when none is suspected.
const (
	proofSpacing = time.Minute
	proofRest    = 4
)

// Doubt has a copy tested that somebody could not read: a peer's word is a reason to
// look, and no evidence.
func (e *Engine) Doubt(id string) {
	if r := e.store.Repo(id); r != nil {
		e.suspect(r, errors.New("a peer says that what it was sent is damaged"))
	}
}

// suspect has a repository tested that may be damaged.
func (e *Engine) suspect(r *store.Repo, err error) {
	e.workers.Go(func(ctx context.Context) {
		if !e.proofs.due(r.ID(), e.now()) {
			return
		}
		e.log.Info("a copy may be damaged, testing it", "repo", r.Name(), "err", err)
		e.proveSuspect(ctx, r)
	})
}

// proveSuspect tests a copy when others that are suspected have been tested, and rests.
func (e *Engine) proveSuspect(ctx context.Context, r *store.Repo) {
	p := e.proofs
	if p.doubts.Acquire(ctx, 1) != nil {
		return
	}
	defer p.doubts.Release(1)
	var took time.Duration
	e.prove(ctx, r, func(ctx context.Context, dir string, oids []string) error {
		began := e.now()
		defer func() { took += e.now().Sub(began) }()
		return e.verify(ctx, dir, oids)
	})
	p.restAfter(r.ID(), e.now(), took)
	_ = clock.Sleep(ctx, e.cfg.Clock, took)
}

// due tells whether a suspected copy may be tested now, and takes it for one that is
// being tested.
func (p *proofs) due(id string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next, tested := p.next[id]; tested && now.Before(next) {
		return false
	}
	p.next[id] = now.Add(scrubEvery) // until restAfter says better
	return true
}

// restAfter notes how long the test of a suspected copy took that has ended.
func (p *proofs) restAfter(id string, now time.Time, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[id] = now.Add(max(proofSpacing, proofRest*took))
}
