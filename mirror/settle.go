package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// settle brings one repository from where the disk is to where the assignment
// is, as far as one run can: decide about a candidate, copy what was published
// elsewhere, and, on the owner, ask upstream if that is due.
func (e *Engine) settle(ctx context.Context, j *job, r *run) (out outcome) {
	a := r.a
	defer func() {
		if repo := e.store.Repo(a.ID); repo != nil {
			out.Generation, _ = repo.Generation()
		}
	}()
	generation, digest, undecided, err := e.onDisk(ctx, a)
	if err != nil {
		return e.failedOn(a, err)
	}
	if undecided != nil {
		return *undecided
	}
	// The ref table is read only when something is to be done: most runs end
	// without.
	behind := generation < a.Generation || generation == a.Generation && digest != a.Digest
	var pins []Pin
	if a.Role == Owner && !behind && generation == a.Generation {
		if pins, err = e.unpinned(ctx, a); err != nil {
			return e.failedOn(a, err)
		}
	}
	switch {
	case a.Role == Replica && behind:
		err = e.follow(ctx, j, a)
	case a.Role == Replica:
		return outcome{}
	case behind && r.step == checkUpstream:
		return outcome{rerun: true} // it was not when this run was given its place
	case behind:
		out, err = e.catchUp(ctx, j, r, generation)
	case generation > a.Generation:
		// The log this node has applied is older than its own disk: it will
		// catch up, and bring another assignment.
		return outcome{waiting: true}
	case len(pins) > 0:
		out, err = e.pinLive(ctx, a, pins)
	case r.step == recoverLost:
		out, err = e.recover(ctx, j, a)
	case r.ask && r.host == nil:
		return outcome{rerun: true} // what it waited for has come, and upstream has another lane
	case r.ask:
		return e.check(ctx, j, r)
	default:
		return outcome{}
	}
	if err != nil {
		return e.failedOn(a, err)
	}
	return out
}

// onDisk is what this node holds of a repository once a candidate has been
// decided about: generation 0 where nothing is there, since a repository gets
// its directory when there is something to put into it. undecided is the
// outcome of the run where the log has no word yet.
func (e *Engine) onDisk(ctx context.Context, a Assignment) (generation uint64, digest refs.Digest, undecided *outcome, err error) {
	if e.store.Repo(a.ID) == nil {
		return 0, refs.Digest{}, nil, nil
	}
	repo, err := e.store.Ensure(a.ID, a.Name)
	if err != nil {
		return 0, digest, nil, failure.New(failure.Disk, err.Error(), err)
	}
	if err := e.tendAsides(repo, a); err != nil {
		return 0, digest, nil, err
	}
	done, out, err := e.decide(ctx, repo, a)
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
func (e *Engine) tendAsides(repo *store.Repo, a Assignment) error {
	generation, digest := repo.Generation()
	if slices.Contains(a.Lost, Generation{generation, digest}) && !slices.Contains(repo.Asides(), generation) {
		live, err := repo.Table()
		if err != nil {
			return err
		}
		if err := repo.SetAside(live); err != nil {
			return failure.New(failure.Disk, err.Error(), err)
		}
		e.log.Info("a generation that is lost elsewhere is kept aside", "repo", a.Name, "generation", generation)
	}
	for _, n := range repo.Asides() {
		named := slices.ContainsFunc(a.Lost, func(g Generation) bool { return g.Number == n })
		if named || n >= a.Generation {
			continue
		}
		if err := repo.DropAside(n); err != nil {
			return failure.New(failure.Disk, err.Error(), err)
		}
	}
	return nil
}

// failedOn is the outcome of a run that ended with err before upstream was
// asked.
func (e *Engine) failedOn(a Assignment, err error) outcome {
	if errors.Is(err, refs.ErrDamaged) {
		return e.salvage(a, err)
	}
	var busy *busyError
	if errors.As(err, &busy) {
		return outcome{waiting: true, busy: busy.peer}
	}
	return failed(failure.Of(err))
}

func failed(f *failure.Error) outcome {
	return outcome{SyncResult: SyncResult{Failure: f}, waiting: true}
}

// salvage throws a copy whose ref table is damaged away, into the trash: the
// next run finds none here, and copies or clones it anew. When many are damaged at
// once, it is the node, and nothing is thrown away.
func (e *Engine) salvage(a Assignment, err error) outcome {
	if e.countBroken(a.ID, a.Name, err) {
		return failed(failure.New(failure.Corrupt, fmt.Sprintf("this node's copy is damaged, as others are: %v", err), err))
	}
	kept := e.keptHereAlone(a)
	e.log.Error("copy is damaged and goes to the trash", "repo", a.Name, "role", a.Role, "err", err)
	if kept > 0 {
		e.log.Error("it was the last copy: tips that upstream has taken away were kept in it alone; what can be read of them is in the trash for a day", "repo", a.Name, "tips", kept)
	}
	if err := e.store.Trash(a.ID, e.cfg.LogTime().Now); err != nil {
		return failed(failure.New(failure.Disk, err.Error(), err))
	}
	e.proofs.forget(a.ID)
	return outcome{waiting: true, broken: true} // no failure of the repo: upstream has no part in it
}

// keptHereAlone counts the kept tips of a copy that no other node has, now or when it
// comes back.
func (e *Engine) keptHereAlone(a Assignment) (n int) {
	repo := e.store.Repo(a.ID)
	if repo == nil || e.cfg.Sources.For(a.ID).may(1) {
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
func (e *Engine) decide(ctx context.Context, repo *store.Repo, a Assignment) (done bool, out outcome, err error) {
	generation, digest, id, pending := repo.Candidate()
	if !pending {
		return true, outcome{}, nil
	}
	live, _ := repo.Generation()
	switch {
	case a.Generation == generation && a.Digest == digest:
		_, err := repo.Activate(generation, digest)
		return true, outcome{}, err
	case a.Role == Owner && generation == a.Generation+1 && live <= a.Generation && repo.Damaged() == nil:
		// Prepared, but never answered for: this node died, or nobody decided.
		// The changes are worked out again from the two tables.
		next, err := repo.CandidateTable()
		if err != nil || id == "" {
			return true, outcome{}, repo.Discard()
		}
		c, err := e.candidateAgain(ctx, repo, a, next)
		if err != nil {
			return false, outcome{}, err
		}
		out, err = e.publish(ctx, repo, c)
		return false, out, err
	}
	return true, outcome{}, repo.Discard()
}
