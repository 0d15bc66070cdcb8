package mirror

import (
	"context"
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

// Suspect has a repository tested that may be damaged.
func (p *prover) Suspect(r *store.Repo, err error) {
	p.workers.Go(func(ctx context.Context) {
		if !p.due(r.ID()) {
			return
		}
		p.log.Info("a copy may be damaged, testing it", "repo", r.Name(), "err", err)
		p.proveSuspect(ctx, r)
	})
}

// proveSuspect tests a copy when others that are suspected have been tested, and rests.
func (p *prover) proveSuspect(ctx context.Context, r *store.Repo) {
	if p.doubts.Acquire(ctx, 1) != nil {
		return
	}
	defer p.doubts.Release(1)
	var took time.Duration
	p.prove(ctx, r, func(ctx context.Context, dir string, oids []string) error {
		began := p.clock.Now()
		defer func() { took += p.clock.Now().Sub(began) }()
		return p.verify(ctx, dir, oids)
	})
	p.restAfter(r.ID(), took)
	_ = clock.Sleep(ctx, p.clock, took)
}

// due tells whether a suspected copy may be tested now, and takes it for one that is
// being tested.
func (p *prover) due(id string) bool {
	now := p.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if next, tested := p.next[id]; tested && now.Before(next) {
		return false
	}
	p.next[id] = now.Add(24 * time.Hour) // until restAfter says better
	return true
}

// restAfter notes how long the test of a suspected copy took that has ended.
func (p *prover) restAfter(id string, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[id] = p.clock.Now().Add(max(proofSpacing, proofRest*took))
}
