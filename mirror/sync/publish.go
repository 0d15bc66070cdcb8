package sync

import (
	"context"
	"fmt"
	"slices"

	"gitmirror/internal/crashpoint"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// candidate describes next, prepared on top of live, for the log. Changes are
// those from the base, with their kinds.
func (w *Worker) candidate(ctx context.Context, repo *store.Repo, a work.Assignment, live, next *refs.Table, b base, changes []refs.Change) (Candidate, error) {
	c := Candidate{
		ID: next.Candidate, Repo: a.ID, Epoch: a.Epoch, FromGeneration: a.Generation, Generation: next.Generation,
		Digest: next.Digest(), PublicDigest: next.PublicDigest(), Refs: next.PublicRefs(), Head: next.Head,
		Base: b.of, Baseline: a.Generation == 0, Restored: live.Generation < a.Generation, Rebuilt: b.rebuilt,
	}
	if b.of.Number > 0 {
		c.Changes = changes
	}
	var err error
	c.Complete, err = w.complete(ctx, repo, a, live, next, b)
	return c, err
}

// candidateAgain is candidate for a table that an earlier run prepared.
func (w *Worker) candidateAgain(ctx context.Context, repo *store.Repo, a work.Assignment, next *refs.Table) (Candidate, error) {
	release, err := repo.Build()
	if err != nil {
		return Candidate{}, err
	}
	defer release()
	live, err := repo.Table()
	if err != nil {
		return Candidate{}, err
	}
	b := w.baseOf(a, live)
	public := slices.DeleteFunc(slices.Clone(next.Refs), func(r refs.Ref) bool { return !r.Public() })
	changes := refs.Diff(b.table, public)
	if err := w.judge(ctx, repo, b, changes); err != nil {
		return Candidate{}, err
	}
	return w.candidate(ctx, repo, a, live, next, b, changes)
}

// publish has the log decide about a prepared candidate and acts on its word.
// A run that ends without one is resolved by the next assignment (decide).
func (w *Worker) publish(ctx context.Context, repo *store.Repo, c Candidate) (work.Result, error) {
	crashpoint.Hit(crashpoint.BeforePublish)
	verdict, err := w.publisher.Publish(ctx, c)
	switch verdict {
	case Committed:
		crashpoint.Hit(crashpoint.AfterPublish)
		if _, err := repo.Activate(c.Generation, c.Digest); err != nil {
			return work.Result{}, failure.Wrap(failure.Disk, err)
		}
		return work.Result{Answer: work.Answer{Changed: true, Changes: c.Changes}}, nil
	case Overtaken:
		w.log.Info("publish overtaken, candidate discarded", "repo", repo.Name(), "generation", c.Generation, "epoch", c.Epoch, "err", err)
		return work.Result{Waiting: true}, repo.Discard()
	case Refused:
		// The next candidate would fare no better: a person has to hear of it.
		f := failure.New(failure.Refused, fmt.Sprintf("the cluster refuses generation %d: %v", c.Generation, err), err)
		return work.Result{Answer: work.Answer{Failure: f}}, repo.Discard()
	}
	w.log.Warn("publish undecided, candidate kept", "repo", repo.Name(), "generation", c.Generation, "epoch", c.Epoch, "err", err)
	f := failure.New(failure.Network, fmt.Sprintf("generation %d is prepared and waits for the cluster to decide", c.Generation), err)
	return work.Result{Answer: work.Answer{Failure: f}, Waiting: true}, nil
}
