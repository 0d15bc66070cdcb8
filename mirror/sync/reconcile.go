package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// Run brings one repository from where the disk is to where the assignment is, as
// far as one run can: decide about a candidate, copy what was published elsewhere,
// and, on the owner, ask upstream if that is due. Of one repository only one may be
// under way.
func (w *Worker) Run(ctx context.Context, t work.Task) (out work.Result) {
	a := t.Assignment
	defer func() {
		if repo := w.store.Repo(a.ID); repo != nil {
			out.Generation, _ = repo.Generation()
		}
		if out.Failure != nil && out.Failure.Class == failure.Disk {
			w.space.Suspect()
		}
	}()
	generation, digest, undecided, err := w.onDisk(ctx, a)
	if err != nil {
		return w.failedOn(a, err)
	}
	if undecided != nil {
		return *undecided
	}
	// The ref table is read only when something is to be done: most runs end
	// without.
	behind := generation < a.Generation || generation == a.Generation && digest != a.Digest
	unpinned := false
	if a.Role == work.Owner && !behind && generation == a.Generation {
		if unpinned, err = w.unpinned(ctx, a); err != nil {
			return w.failedOn(a, err)
		}
	}
	switch {
	case a.Role == work.Replica && behind:
		err = w.follow(ctx, a)
	case a.Role == work.Replica:
		return work.Result{}
	case behind && t.Step == work.CheckUpstream:
		return work.Result{Rerun: true} // it was not when this run was given its place
	case behind:
		out, err = w.catchUp(ctx, t, generation)
	case generation > a.Generation:
		// The log this node has applied is older than its own disk: it will
		// catch up, and bring another assignment.
		return work.Result{Waiting: true}
	case unpinned:
		out, err = w.pinLive(ctx, a)
	case t.Step == work.RecoverLost:
		out, err = w.recover(ctx, a)
	case t.Ask && !t.AsksUpstream():
		return work.Result{Rerun: true} // what it waited for has come, and upstream has another lane
	case t.Ask:
		out = w.check(ctx, t)
		w.tell(ctx, t, &out)
		return out
	default:
		return work.Result{}
	}
	if err != nil {
		return w.failedOn(a, err)
	}
	return out
}

// onDisk is what this node holds of a repository once a candidate has been
// decided about: generation 0 where nothing is there, since a repository gets
// its directory when there is something to put into it. undecided is the
// result of the run where the log has no word yet.
func (w *Worker) onDisk(ctx context.Context, a work.Assignment) (generation uint64, digest refs.Digest, undecided *work.Result, err error) {
	if w.store.Repo(a.ID) == nil {
		return 0, refs.Digest{}, nil, nil
	}
	repo, err := w.store.Ensure(a.ID, a.Name)
	if err != nil {
		return 0, digest, nil, failure.Wrap(failure.Disk, err)
	}
	if err := w.tendAsides(repo, a); err != nil {
		return 0, digest, nil, err
	}
	done, out, err := w.decide(ctx, repo, a)
	if err != nil {
		return 0, digest, nil, err
	}
	if !done {
		undecided = &out
	} else if err := repo.Damaged(); err != nil {
		return 0, digest, nil, err
	}
	generation, digest = repo.Generation()
	return generation, digest, undecided, nil
}

// tendAsides sets the live table aside when the row says that its generation is
// lost elsewhere, before anything may replace it, and drops those that the row
// no longer names.
func (w *Worker) tendAsides(repo *store.Repo, a work.Assignment) error {
	generation, digest := repo.Generation()
	if slices.Contains(a.Lost, work.Generation{Number: generation, Digest: digest}) && !slices.Contains(repo.Asides(), generation) {
		live, err := repo.Table()
		if err != nil {
			return err
		}
		if err := repo.SetAside(live); err != nil {
			return failure.Wrap(failure.Disk, err)
		}
		w.log.Info("a generation that is lost elsewhere is kept aside", "repo", a.Name, "generation", generation)
	}
	for _, n := range repo.Asides() {
		named := slices.ContainsFunc(a.Lost, func(g work.Generation) bool { return g.Number == n })
		if named || n >= a.Generation {
			continue
		}
		if err := repo.DropAside(n); err != nil {
			return failure.Wrap(failure.Disk, err)
		}
	}
	return nil
}

// failedOn is the result of a run that ended with err before upstream was
// asked.
func (w *Worker) failedOn(a work.Assignment, err error) work.Result {
	if errors.Is(err, refs.ErrDamaged) {
		return w.salvage(a, err)
	}
	var busy *busyError
	if errors.As(err, &busy) {
		w.places.await(busy.peer, a.ID)
		return work.Result{Waiting: true}
	}
	return failed(failure.Of(err))
}

func failed(f *failure.Error) work.Result {
	return work.Result{Answer: work.Answer{Failure: f}, Waiting: true}
}

// salvage throws a copy whose ref table is damaged away, into the trash: the
// next run finds none here, and copies or clones it anew. When many are damaged at
// once, it is the node, and nothing is thrown away.
func (w *Worker) salvage(a work.Assignment, err error) work.Result {
	if w.copies.Broke(a.ID, a.Name, err) {
		return failed(failure.New(failure.Corrupt, fmt.Sprintf("this node's copy is damaged, as others are: %v", err), err))
	}
	kept := w.keptHereAlone(a)
	w.log.Error("copy is damaged and goes to the trash", "repo", a.Name, "role", a.Role, "err", err)
	if kept > 0 {
		w.log.Error("it was the last copy: tips that upstream has taken away were kept in it alone; what can be read of them is in the trash for a day", "repo", a.Name, "tips", kept)
	}
	if err := w.store.Scrap(a.ID, w.logTime().Now); err != nil {
		return failed(failure.Wrap(failure.Disk, err))
	}
	w.copies.Forget(a.ID)
	return work.Result{Waiting: true, Broken: true} // no failure of the repo: upstream has no part in it
}

// keptHereAlone counts the kept tips of a copy that no other node has, now or when it
// comes back.
func (w *Worker) keptHereAlone(a work.Assignment) (n int) {
	repo := w.store.Repo(a.ID)
	if repo == nil || w.holders.For(a.ID).may(1) {
		return 0
	}
	table, err := repo.OnDisk()
	if err != nil {
		return 0
	}
	for _, r := range table.Refs {
		if !r.Public() {
			n++
		}
	}
	return n
}

// decide applies the log's word on a candidate. done is false while there is
// none. A refused candidate never touched what is served.
func (w *Worker) decide(ctx context.Context, repo *store.Repo, a work.Assignment) (done bool, out work.Result, err error) {
	generation, digest, id, pending := repo.Candidate()
	if !pending {
		return true, work.Result{}, nil
	}
	live, _ := repo.Generation()
	switch {
	case a.Generation == generation && a.Digest == digest:
		_, err := repo.Activate(generation, digest)
		return true, work.Result{}, err
	case a.Role == work.Owner && generation == a.Generation+1 && live <= a.Generation && repo.Damaged() == nil:
		// Prepared, but never answered for: this node died, or nobody decided.
		// The changes are worked out again from the two tables.
		next, err := repo.CandidateTable()
		if err != nil || id == "" {
			return true, work.Result{}, repo.Discard()
		}
		c, err := w.candidateAgain(ctx, repo, a, next)
		if err != nil {
			return false, work.Result{}, err
		}
		out, err = w.publish(ctx, repo, c)
		return false, out, err
	}
	return true, work.Result{}, repo.Discard()
}
