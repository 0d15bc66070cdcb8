package sync

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

// catchUp is for an owner whose copy, if it has one, is behind what was
// published.
func (w *Worker) catchUp(ctx context.Context, t work.Task, have uint64) (work.Result, error) {
	a := t.Assignment
	if t.Step == work.AskUpstream {
		out := w.check(ctx, t)
		undecided := out.Waiting
		out.Waiting = out.Failure != nil // for a holder, while upstream does not answer
		if out.Failure == nil || undecided || ours(out.Failure) || ctx.Err() != nil {
			return out, nil
		}
		return w.restore(ctx, a, have, out)
	}
	err := w.follow(ctx, a)
	if err == nil {
		// The assignment says the same: the next run checks.
		return work.Result{Waiting: true}, nil
	}
	if errors.As(err, new(*busyError)) || ctx.Err() != nil {
		return work.Result{}, err
	}
	holders := w.holders.For(a.ID)
	if have == 0 && holders.may(1) {
		// Upstream is cloned anew only when nobody has a copy, or may come back
		// with one.
		return work.Result{}, failure.New(failure.Network, "this node has no copy: "+err.Error()+waitsFor(holders, 1), err)
	}
	if !t.Ask && holders.may(a.Generation) {
		return work.Result{Waiting: true}, nil // upstream has just failed: holders alone are asked until it is due
	}
	return work.Result{Rerun: true, Next: work.AskUpstream}, nil
}

// ours tells a failure that says nothing about upstream.
func ours(f *failure.Error) bool { return f.Class == failure.Disk || f.Class == failure.Refused }

// restore is for when neither a holder nor upstream gives what was published.
// While a holder may come back, this copy serves what it has and waits; when
// none can, what it has is published under a new number.
func (w *Worker) restore(ctx context.Context, a work.Assignment, have uint64, out work.Result) (work.Result, error) {
	f := *out.Failure
	f.Message = fmt.Sprintf("generation %d is not here, this copy has %d; upstream: %s", a.Generation, have, f.Message)
	if have == 0 {
		f.Message = "this node has no copy, and no other does; upstream: " + out.Failure.Message
	}
	holders := w.holders.For(a.ID)
	if have == 0 || holders.may(a.Generation) {
		f.Message += waitsFor(holders, a.Generation)
		out.Failure = &f
		return out, nil
	}
	repo := w.store.Repo(a.ID)
	if repo == nil {
		return out, nil
	}
	live, err := repo.Table()
	if err != nil {
		return work.Result{}, err
	}
	w.log.Warn("published generation is lost, restoring an earlier one", "repo", a.Name, "lost", a.Generation, "have", live.Generation)
	next := &refs.Table{Generation: a.Generation + 1, Candidate: rand.Text(), Head: live.Head, Refs: live.Refs}
	b := base{table: live, of: work.Generation{Number: live.Generation, Digest: live.Digest()}}
	record := w.pastOf(ctx, a, repo) // the refs are the same
	c, err := w.prepare(ctx, repo, a, live, next, record, b, nil)
	if err != nil {
		return work.Result{}, err
	}
	return w.publish(ctx, repo, c)
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
