package mirror

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/mirror/store"
)

const (
	// brokenLimit is how many of the last testsKept copies that were tested, within
	// testsFor, may be broken before it is the node that is taken for broken. It is no
	// matter of time: copies are tested as fast as they can be read. Until that is
	// known, none is thrown away.
	brokenLimit = 3
	testsKept   = 8
	testsFor    = 24 * time.Hour
	brokenWait  = 5 * time.Second

	sickRetry = 15 * time.Second // between two tests of the copies of a sick node
)

// tested is what the last test of a copy came to.
type tested struct {
	id     string
	at     time.Time
	broken bool
}

// note keeps the outcome of a test, and returns how many of the last copies that were
// tested are as bad: a copy that is tested often counts once. p.mu is held.
func (p *prover) note(id string, broken bool) (bad int) {
	now := p.clock.Now()
	p.tests = slices.DeleteFunc(slices.Clone(p.tests), func(t tested) bool { return t.id == id })
	p.tests = append(p.tests, tested{id, now, broken})
	p.tests = slices.Clone(p.tests[max(0, len(p.tests)-testsKept):])
	for _, t := range p.tests {
		if t.broken && now.Sub(t.at) < testsFor {
			bad++
		}
	}
	return bad
}

// takeOut takes a copy out of service. It is given up a moment later, unless so
// many break that it is the node: then nothing is thrown away.
func (p *prover) takeOut(r *store.Repo, err error) {
	p.log.Error("a copy cannot be read, it is out of service", "repo", r.Name(), "err", err)
	if p.Broke(r.ID(), r.Name(), err) {
		return
	}
	p.workers.Go(func(ctx context.Context) { p.giveUp(ctx, r, err) })
}

// Broke notes that a copy broke, and tells whether it is the node that is
// taken for broken now.
func (p *prover) Broke(id, name string, err error) (sick bool) {
	p.mu.Lock()
	fallsIll := false
	if !p.broken[id] {
		if bad := p.note(id, true); bad > brokenLimit && p.sick == "" {
			fallsIll = true
			p.sick = fmt.Sprintf("%d of the last %d copies that were tested cannot be read, the last of them %s: %v", bad, len(p.tests), name, err)
		}
	}
	p.broken[id] = true
	sick = p.sick != ""
	p.mu.Unlock()
	if !fallsIll {
		return sick
	}
	p.log.Error("too many copies broke at once: none of this node's is served until all can be read; look after its disk")
	if p.changed != nil {
		p.changed()
	}
	p.workers.Go(p.convalesce)
	return true
}

// giveUp has a broken copy made anew, once it is clear that it is not the node.
func (p *prover) giveUp(ctx context.Context, r *store.Repo, err error) {
	if clock.Sleep(ctx, p.clock, brokenWait) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sick != "" {
		return
	}
	r.Damage(err)
	p.kick(r.ID())
}

// convalesce tests the broken copies of a sick node until all can be read.
func (p *prover) convalesce(ctx context.Context) {
	for whole := false; !whole; whole = p.allWhole(ctx) {
		if clock.Sleep(ctx, p.clock, sickRetry) != nil {
			return
		}
	}
	p.mu.Lock()
	p.sick, p.broken, p.tests = "", map[string]bool{}, nil
	p.mu.Unlock()
	p.log.Info("all copies can be read again, they are served")
	if p.changed != nil {
		p.changed()
	}
}

func (p *prover) allWhole(ctx context.Context) bool {
	p.mu.Lock()
	var ids []string
	for id := range p.broken {
		ids = append(ids, id)
	}
	p.mu.Unlock()
	slices.Sort(ids)
	for _, id := range ids {
		r := p.store.Repo(id)
		if r == nil {
			continue
		}
		if r.Reread() != nil {
			return false
		}
		if _, err := p.proveOnce(ctx, r, p.verify); err != nil || ctx.Err() != nil {
			return false
		}
	}
	return true
}

// sickness is why none of this node's copies is served, empty when they are.
func (p *prover) sickness() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sick
}
