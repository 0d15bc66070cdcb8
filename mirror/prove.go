package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"gitmirror/internal/clock"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// A copy that is shown as ready must be one that can be cloned. What its own
// table names is looked for once at each start, and what a pack cannot be made
// of when a client has asked for it (see suspect).
const (
	proofsAtOnce = 2
	proofRetry   = 2 * time.Second // between the two tests that make a copy broken

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

// proofs is what is known of the copies' wholeness.
type proofs struct {
	mu      sync.Mutex
	next    map[string]time.Time // when a repository that is suspected is tested again
	broken  map[string]bool      // out of service
	tests   []tested             // the last of them
	sick    string               // why nothing is served
	blind   bool                 // the last test came to nothing
	running *semaphore.Weighted
	doubts  *semaphore.Weighted // held by the test of a suspected copy, and for its rest
}

// tested is what the last test of a copy came to.
type tested struct {
	id     string
	at     time.Time
	broken bool
}

// note keeps the outcome of a test, and returns how many of the last copies that were
// tested are as bad: a copy that is tested often counts once. p.mu is held.
func (p *proofs) note(id string, now time.Time, broken bool) (bad int) {
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

func newProofs() *proofs {
	return &proofs{running: semaphore.NewWeighted(proofsAtOnce), doubts: semaphore.NewWeighted(1), next: map[string]time.Time{}}
}

var (
	errSick   = errors.New("the copies on this node are out of service")
	errBroken = errors.New("this node's copy cannot be read")
)

// fit refuses to show what cannot be cloned.
func (e *Engine) fit(id string) error {
	p := e.proofs
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.sick != "":
		return fmt.Errorf("%w: %w: %s", ErrNoCopy, errSick, p.sick)
	case p.broken[id]:
		return fmt.Errorf("%w: %w", ErrNoCopy, errBroken)
	}
	return nil
}

// forget is called when a broken copy has left: another takes its place.
func (p *proofs) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.broken, id)
}

// proveAll tests at start what is on the disk: that the tips of each table are
// there.
func (e *Engine) proveAll(ctx context.Context) {
	var tests sync.WaitGroup
	defer tests.Wait()
	for _, r := range e.store.Repos() {
		if ctx.Err() != nil {
			return
		}
		if e.proofs.running.Acquire(ctx, 1) != nil { // one waits, not all
			return
		}
		e.proofs.running.Release(1)
		tests.Go(func() {
			e.reindex(ctx, r)
			e.prove(ctx, r, e.tipsThere)
		})
	}
}

// tipsThere returns an error when a tip is missing. That git could not be asked
// says nothing of the copy.
func (e *Engine) tipsThere(ctx context.Context, dir string, oids []string) error {
	missing, err := e.fetch.Missing(ctx, dir, oids)
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
func (e *Engine) scrub(ctx context.Context) {
	read := map[string]time.Time{}
	for _, r := range e.store.Repos() {
		read[r.ID()] = e.now().Add(-scrubEvery)
	}
	for rest := time.Duration(0); clock.Sleep(ctx, e.cfg.Clock, rest) == nil; {
		rest = scrubLook
		for _, r := range e.store.Repos() {
			began := e.now()
			at, known := read[r.ID()]
			if !known {
				read[r.ID()] = began
			}
			if known && began.Sub(at) >= scrubEvery {
				read[r.ID()] = began
				if !e.prove(ctx, r, e.verify) {
					read[r.ID()] = began.Add(scrubAgain - scrubEvery)
				}
				rest = e.now().Sub(began)
				break
			}
		}
	}
}

// proof is a test of the copy in dir, whose tips are oids.
type proof func(ctx context.Context, dir string, oids []string) error

// prove tests one copy, and takes it out of service when the test fails twice. It
// returns false when the test came to nothing.
func (e *Engine) prove(ctx context.Context, r *store.Repo, test proof) (known bool) {
	if err := e.proofs.running.Acquire(ctx, 1); err != nil {
		return false
	}
	defer e.proofs.running.Release(1)
	some, err := e.proveOnce(ctx, r, test)
	if err != nil && !errors.Is(err, fetch.ErrInconclusive) && ctx.Err() == nil {
		if clock.Sleep(ctx, e.cfg.Clock, proofRetry) != nil {
			return false
		}
		e.reindex(ctx, r) // that may be all it lacks
		some, err = e.proveOnce(ctx, r, test)
	}
	if ctx.Err() != nil {
		return false
	}
	blind := errors.Is(err, fetch.ErrInconclusive)
	if e.proofs.turnsBlind(blind) {
		e.log.Warn("copies cannot be tested, trying again later", "repo", r.Name(), "err", err)
	}
	switch {
	case err == nil && !some: // nothing was there to test: it says nothing of the node
	case err == nil:
		e.proofs.passed(r.ID(), e.now())
	case !blind:
		e.broke(r, err)
	}
	return !blind
}

// passed notes that a copy is whole.
func (p *proofs) passed(id string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(id, now, false)
}

// turnsBlind notes whether a test came to nothing, and tells when that is new.
func (p *proofs) turnsBlind(blind bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	turns := blind && !p.blind
	p.blind = blind
	return turns
}

// reindex makes indexes that are missing: without one git does not see a pack, and
// what may be the last copy of it would be given up.
func (e *Engine) reindex(ctx context.Context, r *store.Repo) {
	err := r.Reindex(func(dir, pack string) error {
		e.log.Warn("a pack has no index, making it", "repo", r.Name(), "pack", pack)
		return e.fetch.Index(ctx, dir, pack)
	})
	if err != nil && !errors.Is(err, store.ErrGone) && ctx.Err() == nil {
		e.log.Warn("a pack cannot be indexed, it is left alone", "repo", r.Name(), "err", err)
	}
}

// proveOnce runs a test; some is false where there was nothing to test.
func (e *Engine) proveOnce(ctx context.Context, r *store.Repo, test proof) (some bool, err error) {
	release, err := r.Acquire()
	if err != nil {
		return false, nil // it has left this node
	}
	defer release()
	table, err := r.Table()
	switch {
	case errors.Is(err, refs.ErrDamaged) && e.sickness() != "":
		return true, err
	case err != nil:
		e.schedule.Kick(r.ID()) // reading has found out, and reconciling deals with it
		return false, nil
	case table.Generation == 0:
		return false, nil
	}
	return true, test(ctx, r.Dir(), refs.Tips(table.Refs, refs.Head(table.HeadOID())))
}

// broke takes a copy out of service. It is given up a moment later, unless so
// many break that it is the node: then nothing is thrown away.
func (e *Engine) broke(r *store.Repo, err error) {
	e.log.Error("a copy cannot be read, it is out of service", "repo", r.Name(), "err", err)
	if e.countBroken(r.ID(), r.Name(), err) {
		return
	}
	e.workers.Go(func(ctx context.Context) { e.giveUp(ctx, r, err) })
}

// countBroken notes that a copy broke, and tells whether it is the node that is
// taken for broken now.
func (e *Engine) countBroken(id, name string, err error) (sick bool) {
	p := e.proofs
	p.mu.Lock()
	now := e.now()
	if p.broken == nil {
		p.broken = map[string]bool{}
	}
	fallsIll := false
	if !p.broken[id] {
		if bad := p.note(id, now, true); bad > brokenLimit && p.sick == "" {
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
	e.log.Error("too many copies broke at once: none of this node's is served until all can be read; look after its disk")
	if e.cfg.ConditionChanged != nil {
		e.cfg.ConditionChanged()
	}
	e.workers.Go(e.convalesce)
	return true
}

// giveUp has a broken copy made anew, once it is clear that it is not the node.
func (e *Engine) giveUp(ctx context.Context, r *store.Repo, err error) {
	if clock.Sleep(ctx, e.cfg.Clock, brokenWait) != nil {
		return
	}
	p := e.proofs
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sick != "" {
		return
	}
	r.Damage(err)
	e.schedule.Kick(r.ID())
}

// convalesce tests the broken copies of a sick node until all can be read.
func (e *Engine) convalesce(ctx context.Context) {
	for whole := false; !whole; whole = e.allWhole(ctx) {
		if clock.Sleep(ctx, e.cfg.Clock, sickRetry) != nil {
			return
		}
	}
	p := e.proofs
	p.mu.Lock()
	p.sick, p.broken, p.tests = "", nil, nil
	p.mu.Unlock()
	e.log.Info("all copies can be read again, they are served")
	if e.cfg.ConditionChanged != nil {
		e.cfg.ConditionChanged()
	}
}

func (e *Engine) allWhole(ctx context.Context) bool {
	p := e.proofs
	p.mu.Lock()
	var ids []string
	for id := range p.broken {
		ids = append(ids, id)
	}
	p.mu.Unlock()
	slices.Sort(ids)
	for _, id := range ids {
		r := e.store.Repo(id)
		if r == nil {
			continue
		}
		if r.Reread() != nil {
			return false
		}
		if _, err := e.proveOnce(ctx, r, e.verify); err != nil || ctx.Err() != nil {
			return false
		}
	}
	return true
}

// sickness is why none of this node's copies is served, empty when they are.
func (e *Engine) sickness() string {
	p := e.proofs
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sick
}
