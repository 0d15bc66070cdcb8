package mirror

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gitmirror/internal/clock"
)

// proveAll tests at start what is on the disk: that the tips of each table are
// there.
func (p *prover) proveAll(ctx context.Context) {
	var tests sync.WaitGroup
	defer tests.Wait()
	for _, r := range p.store.Repos() {
		if ctx.Err() != nil {
			return
		}
		if p.running.Acquire(ctx, 1) != nil { // one waits, not all
			return
		}
		p.running.Release(1)
		tests.Go(func() {
			p.reindex(ctx, r)
			p.prove(ctx, r, p.tipsThere)
		})
	}
}

// tipsThere returns an error when a tip is missing. That git could not be asked
// says nothing of the copy.
func (p *prover) tipsThere(ctx context.Context, dir string, oids []string) error {
	missing, err := p.objects.Absent(ctx, dir, oids)
	if err == nil && len(missing) > 0 {
		return fmt.Errorf("%d objects that its refs name are missing, %s the first of them", len(missing), missing[0])
	}
	return nil
}

// scrubEvery is how often every byte of a copy is read: what a disk has changed in
// the middle of a pack is passed on unseen otherwise, and fails at the client.
const (
	scrubEvery = 24 * time.Hour
	scrubLook  = time.Minute      // between two looks for a copy that is due
	scrubAgain = 10 * time.Minute // after a test that came to nothing
)

// scrub reads the copies one after the other, each once a day: those that are here
// at the start then, later ones a day after they were made, which read all of them.
// It rests for as long as it reads, so that it never has more than half of a disk.
func (p *prover) scrub(ctx context.Context) {
	read := map[string]time.Time{}
	for _, r := range p.store.Repos() {
		read[r.ID()] = p.clock.Now().Add(-scrubEvery)
	}
	for rest := time.Duration(0); clock.Sleep(ctx, p.clock, rest) == nil; {
		rest = scrubLook
		for _, r := range p.store.Repos() {
			began := p.clock.Now()
			at, known := read[r.ID()]
			if !known {
				read[r.ID()] = began
			}
			if known && began.Sub(at) >= scrubEvery {
				read[r.ID()] = began
				if !p.prove(ctx, r, p.verify) {
					read[r.ID()] = began.Add(scrubAgain - scrubEvery)
				}
				rest = p.clock.Now().Sub(began)
				break
			}
		}
	}
}
