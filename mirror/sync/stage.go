package sync

import (
	"context"
	"errors"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// stage fetches the objects that list and head need and repo lacks, proves
// them, and moves them in, where no ref names them yet.
func (w *Worker) stage(ctx context.Context, repo *store.Repo, list []refs.Ref, head refs.Head, src fetch.Source, from source, turn turn) error {
	missing, err := w.missing(ctx, repo, refs.Tips(list, head))
	if err != nil {
		return &ownError{err}
	}
	if len(missing) == 0 {
		return nil
	}
	tell, done := w.fetching(repo.ID(), from)
	defer done()
	ctx, pace, release, err := turn.acquire(ctx)
	if errors.Is(err, errNoSlot) {
		return err
	}
	if err != nil {
		return failure.Of(err)
	}
	defer release()
	src.Pace, src.Tell = pace, tell
	if err := w.roomFor(repo); err != nil {
		return err
	}
	w.setSyncing(repo.ID(), true)
	defer w.setSyncing(repo.ID(), false)
	staging, err := w.store.Stage(repo)
	if staging != nil {
		defer func() {
			if rerr := staging.Remove(); rerr != nil {
				w.log.Warn("cannot remove staging", "repo", repo.Name(), "err", rerr)
			}
		}()
	}
	if err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	if err := w.objects.Fetch(ctx, staging, src, missing); err != nil {
		w.suspect(repo, err) // what it was to be put together with may be damaged as well
		return err
	}
	if err := staging.Adopt(); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	return nil
}

// ownError is of what is here: nobody has sent anything yet.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

// suspect has the copy here tested where objects are not what they should be.
func (w *Worker) suspect(repo *store.Repo, err error) {
	if failure.Of(err).Class == failure.Corrupt {
		w.copies.Suspect(repo, err)
	}
}
