package mirror

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

// step is what the next run of an owner's job is for.
type step int

// An owner that has what was published checks upstream, and now and then looks
// for lost generations. One that is behind asks holders first, then upstream:
// each in its own lane, so each in a run of its own.
const (
	checkUpstream step = iota
	askHolders
	askUpstream // no holder gave it: the next table is made on what is here
	recoverLost
)

// An owner asks for lost generations after recoverSoon, and less and less often for
// as long as nobody has them: whoever had one may be gone for good.
const (
	recoverSoon   = 5 * time.Second
	recoverSeldom = 5 * time.Minute
)

// stepOf is what the next run of j is for. Engine.mu is held.
func (e *Engine) stepOf(j *job) step {
	switch {
	case j.want.Role == Owner && e.isBehind(j):
		if j.step == askUpstream {
			return askUpstream
		}
		return askHolders
	case j.want.Role == Owner && len(j.want.Lost) > 0 && !j.forced && !e.now().Before(j.nextRecover):
		return recoverLost
	}
	return checkUpstream
}

// isBehind tells whether the copy here is not what was published.
func (e *Engine) isBehind(j *job) bool {
	if j.want.Generation == 0 {
		return false
	}
	r := e.store.Repo(j.id)
	if r == nil {
		return true
	}
	generation, digest := r.Generation()
	return generation < j.want.Generation || generation == j.want.Generation && digest != j.want.Digest
}

// catchUp is for an owner whose copy, if it has one, is behind what was
// published.
func (e *Engine) catchUp(ctx context.Context, j *job, r *run, have uint64) (outcome, error) {
	a := r.a
	if r.step == askUpstream {
		out := e.check(ctx, j, r)
		undecided := out.waiting
		out.waiting = out.Failure != nil // for a holder, while upstream does not answer
		if out.Failure == nil || undecided || ours(out.Failure) || ctx.Err() != nil {
			return out, nil
		}
		return e.restore(ctx, a, have, out)
	}
	err := e.follow(ctx, j, a)
	if err == nil {
		// The assignment says the same: the next run checks.
		return outcome{waiting: true}, nil
	}
	if errors.As(err, new(*busyError)) || ctx.Err() != nil {
		return outcome{}, err
	}
	holders := e.cfg.Sources.For(a.ID)
	if have == 0 && holders.may(1) {
		// Upstream is cloned anew only when nobody has a copy, or may come back
		// with one.
		return outcome{}, failure.New(failure.Network, "this node has no copy: "+err.Error()+waitsFor(holders, 1), err)
	}
	if !r.ask && holders.may(a.Generation) {
		return outcome{waiting: true}, nil // upstream has just failed: holders alone are asked until it is due
	}
	return outcome{rerun: true, next: askUpstream}, nil
}

// ours tells a failure that says nothing about upstream.
func ours(f *failure.Error) bool { return f.Class == failure.Disk || f.Class == failure.Refused }

// restore is for when neither a holder nor upstream gives what was published.
// While a holder may come back, this copy serves what it has and waits; when
// none can, what it has is published under a new number.
func (e *Engine) restore(ctx context.Context, a Assignment, have uint64, out outcome) (outcome, error) {
	f := *out.Failure
	f.Message = fmt.Sprintf("generation %d is not here, this copy has %d; upstream: %s", a.Generation, have, f.Message)
	if have == 0 {
		f.Message = "this node has no copy, and no other does; upstream: " + out.Failure.Message
	}
	holders := e.cfg.Sources.For(a.ID)
	if have == 0 || holders.may(a.Generation) {
		f.Message += waitsFor(holders, a.Generation)
		out.Failure = &f
		return out, nil
	}
	repo := e.store.Repo(a.ID)
	if repo == nil {
		return out, nil
	}
	live, err := repo.Table()
	if err != nil {
		return outcome{}, err
	}
	e.log.Warn("published generation is lost, restoring an earlier one", "repo", a.Name, "lost", a.Generation, "have", live.Generation)
	next := &refs.Table{Generation: a.Generation + 1, Candidate: rand.Text(), Head: live.Head, Refs: live.Refs}
	b := base{table: live, of: Generation{live.Generation, live.Digest()}}
	record := e.pastOf(ctx, a, repo) // the refs are the same
	c, err := e.prepare(ctx, repo, a, live, next, record, b, nil)
	if err != nil {
		return outcome{}, err
	}
	return e.publish(ctx, repo, c)
}

// waitsFor names the holders that are down and may come back.
func waitsFor(h Holders, generation uint64) string {
	var names []string
	for _, x := range h.Expected {
		if x.Generation >= generation {
			names = append(names, x.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; waiting for " + strings.Join(names, " or ") + " to come back"
}
