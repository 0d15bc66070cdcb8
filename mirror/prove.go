package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"gitmirror/internal/clock"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/proof"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// A copy that is shown as ready must be one that can be cloned. What its own
// table names is looked for once at each start, every byte then and once a day (see package
// maintain), and what a pack cannot be made of when a client has asked for it (see Suspect).
const (
	proofsAtOnce = 2
	proofRetry   = 2 * time.Second // between the two tests that make a copy broken
)

// prover tests whether copies can be read, and keeps out of service what cannot.
type prover struct {
	store   *store.Store
	objects Objects
	verify  trial // that all of a copy can be read
	workers *workers
	kick    func(id string) bool // has a repository reconciled
	changed func()               // is told when the node falls ill, or is well again; may be nil
	clock   clock.Clock
	log     *slog.Logger

	running *semaphore.Weighted
	doubts  *semaphore.Weighted // held by the test of a suspected copy, and for its rest

	mu     sync.Mutex
	next   map[string]time.Time // when a repository that is suspected is tested again
	broken map[string]bool      // out of service
	tests  []tested             // the last of them
	sick   string               // why nothing is served
	blind  bool                 // the last test came to nothing
}

func newProver(cfg Config, s *store.Store, objects Objects, w *workers, kick func(id string) bool) *prover {
	verify := func(ctx context.Context, dir string, tips []string) error { return objects.Verify(ctx, dir, tips) }
	return &prover{store: s, objects: objects, verify: verify, workers: w, kick: kick, changed: cfg.ConditionChanged, clock: cfg.Clock, log: cfg.Log,
		running: semaphore.NewWeighted(proofsAtOnce), doubts: semaphore.NewWeighted(1), next: map[string]time.Time{}, broken: map[string]bool{}}
}

var (
	errSick   = errors.New("the copies on this node are out of service")
	errBroken = errors.New("this node's copy cannot be read")
)

// fit refuses to show what cannot be cloned.
func (p *prover) fit(id string) error {
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

// Forget is for a broken copy that has left: another takes its place.
func (p *prover) Forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.broken, id)
}

// trial is a test of the copy in dir, whose tips are oids.
type trial func(ctx context.Context, dir string, oids []string) error

// prove tests one copy, and takes it out of service when the test fails twice.
func (p *prover) prove(ctx context.Context, r *store.Repo, test trial) maintain.Verdict {
	if err := p.running.Acquire(ctx, 1); err != nil {
		return maintain.Unknown
	}
	defer p.running.Release(1)
	some, err := p.proveOnce(ctx, r, test)
	if err != nil && !errors.Is(err, fetch.ErrInconclusive) && ctx.Err() == nil {
		if clock.Sleep(ctx, p.clock, proofRetry) != nil {
			return maintain.Unknown
		}
		p.reindex(ctx, r) // that may be all it lacks
		p.unchart(r)
		some, err = p.proveOnce(ctx, r, test)
	}
	if ctx.Err() != nil {
		return maintain.Unknown
	}
	blind := errors.Is(err, fetch.ErrInconclusive)
	if p.turnsBlind(blind) {
		p.log.Warn("copies cannot be tested, trying again later", "repo", r.Name(), "err", err)
	}
	switch {
	case err == nil && !some: // it says nothing of the node
		return maintain.Nothing
	case err == nil:
		p.passed(r.ID())
		return maintain.Whole
	case !blind:
		p.takeOut(r, err)
		return maintain.Broken
	}
	return maintain.Unknown
}

// Read tests a copy by reading all of it. What was proved of the same bytes before is not proved
// again.
func (p *prover) Read(ctx context.Context, r *store.Repo) maintain.Verdict {
	return p.prove(ctx, r, func(ctx context.Context, dir string, tips []string) error {
		data, _ := r.Proved()
		known, _ := proof.Decode(data) // or all is proved anew
		now, err := p.objects.Reread(ctx, dir, tips, known)
		if err != nil {
			return err
		}
		if news := now.Encode(); !now.Empty() && !bytes.Equal(news, data) {
			if err := r.SetProved(news); err != nil {
				p.log.Debug("cannot remember what was proved of a copy", "repo", r.Name(), "err", err)
			}
		}
		return nil
	})
}

// Check tests a copy by looking at each object.
func (p *prover) Check(ctx context.Context, r *store.Repo) maintain.Verdict {
	return p.prove(ctx, r, p.objects.Check)
}

// unchart takes away what readers only find their way by: it may be all that is damaged, and is
// made anew.
func (p *prover) unchart(r *store.Repo) {
	release, err := r.Acquire()
	if err != nil {
		return
	}
	defer release()
	if r.HasMaps() {
		p.log.Warn("what readers of a copy find their way by is deleted: it may be damaged", "repo", r.Name())
		if err := r.DropMaps(); err != nil {
			p.log.Warn("it cannot be deleted", "repo", r.Name(), "err", err)
		}
	}
}

// passed notes that a copy is whole.
func (p *prover) passed(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(id, false)
}

// turnsBlind notes whether a test came to nothing, and tells when that is new.
func (p *prover) turnsBlind(blind bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	turns := blind && !p.blind
	p.blind = blind
	return turns
}

// reindex makes indexes that are missing: without one git does not see a pack, and
// what may be the last copy of it would be given up.
func (p *prover) reindex(ctx context.Context, r *store.Repo) {
	err := r.Reindex(func(dir, pack string) error {
		p.log.Warn("a pack has no index, making it", "repo", r.Name(), "pack", pack)
		return p.objects.Index(ctx, dir, pack)
	})
	if err != nil && !errors.Is(err, store.ErrGone) && ctx.Err() == nil {
		p.log.Warn("a pack cannot be indexed, it is left alone", "repo", r.Name(), "err", err)
	}
}

// proveOnce runs a test; some is false where there was nothing to test.
func (p *prover) proveOnce(ctx context.Context, r *store.Repo, test trial) (some bool, err error) {
	release, err := r.Acquire()
	if err != nil {
		return false, nil // it has left this node
	}
	defer release()
	defer r.Read()()
	table, err := r.Table()
	switch {
	case errors.Is(err, refs.ErrDamaged) && p.sickness() != "":
		return true, err
	case err != nil:
		p.kick(r.ID()) // reading has found out, and reconciling deals with it
		return false, nil
	case table.Generation == 0:
		return false, nil
	}
	return true, test(ctx, r.Dir(), refs.Tips(table.Refs, refs.Head(table.HeadOID())))
}
