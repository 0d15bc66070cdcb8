package mirror

import (
	"context"
	"errors"
	"fmt"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// settle brings one repository from where the disk is to where the assignment
// is, as far as one run can: decide about a candidate, copy what was published
// elsewhere, and, on the owner, ask upstream if ask is set.
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
	switch {
	case a.Role == Replica && behind:
		err = e.follow(ctx, j, a)
	case a.Role == Replica:
		return outcome{}
	case behind:
		// The assignment that says what was copied, or republished, brings the
		// next run.
		out, err = e.catchUp(ctx, j, a)
		out.waiting = true
	case generation > a.Generation:
		// The log this node has applied is older than its own disk: it will
		// catch up, and bring another assignment.
		return outcome{waiting: true}
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
	done, out, err := e.decide(ctx, repo, a)
	if err != nil {
		return 0, digest, nil, err
	}
	if !done {
		undecided = &out
	}
	generation, digest = repo.Generation()
	return generation, digest, undecided, nil
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

// salvage deals with a ref table that is damaged. A replica throws the copy
// away, into the trash, and copies anew; an owner says so and waits for another
// node to take over.
func (e *Engine) salvage(a Assignment, err error) outcome {
	e.log.Error("copy is damaged", "repo", a.Name, "role", a.Role, "err", err)
	if a.Role == Replica {
		if terr := e.store.Trash(a.ID, e.now()); terr != nil {
			err = errors.Join(err, terr)
		}
	}
	out := failed(failure.New(failure.Corrupt, fmt.Sprintf("this node's copy is damaged: %v", err), err))
	out.broken = true
	return out
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
	case a.Role == Owner && generation == a.Generation+1 && live == a.Generation:
		// Prepared, but never answered for: this node died, or nobody decided.
		// The changes are worked out again from the two tables.
		table, err := repo.Table()
		if err != nil {
			return false, outcome{}, err
		}
		next, err := repo.CandidateTable()
		if err != nil || id == "" {
			return true, outcome{}, repo.Discard()
		}
		c := candidateOf(a, table, next)
		if err := e.fetch.Judge(ctx, repo.Dir(), c.Changes); err != nil {
			return false, outcome{}, err
		}
		out, err = e.publish(ctx, repo, c)
		return false, out, err
	}
	return true, outcome{}, repo.Discard()
}
