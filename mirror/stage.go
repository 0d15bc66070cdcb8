package mirror

import (
	"context"
	"slices"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// stage fetches the objects that list and head need and repo lacks, proves
// them, and moves them in, where no ref names them yet.
func (e *Engine) stage(ctx context.Context, j *job, repo *store.Repo, list []refs.Ref, head refs.Head, src fetch.Source, turn turn) error {
	missing, err := e.fetch.Missing(ctx, repo.Dir(), tips(list, head))
	if err != nil || len(missing) == 0 {
		return err
	}
	ctx, pace, release, err := turn.acquire(ctx)
	if err != nil {
		return failure.Of(err)
	}
	defer release()
	src.Pace = pace
	if err := e.roomFor(repo); err != nil {
		return err
	}
	e.setSyncing(j, true)
	defer e.setSyncing(j, false)
	staging, err := e.store.Stage(repo)
	if staging != nil {
		defer func() {
			if rerr := staging.Remove(); rerr != nil {
				e.log.Warn("cannot remove staging", "repo", repo.Name(), "err", rerr)
			}
		}()
	}
	if err != nil {
		return failure.New(failure.Disk, err.Error(), err)
	}
	if err := e.fetch.Fetch(ctx, staging, src, missing); err != nil {
		if failure.Of(err).Class == failure.Corrupt {
			e.suspect(repo, err) // what it was to be put together with may be damaged as well
		}
		return err
	}
	if err := staging.Adopt(); err != nil {
		return failure.New(failure.Disk, err.Error(), err)
	}
	return nil
}

func (e *Engine) setSyncing(j *job, on bool) {
	e.mu.Lock()
	j.syncing = on
	e.mu.Unlock()
	e.cfg.Changed(j.id)
}

func tips(list []refs.Ref, head refs.Head) []string {
	ids := make([]string, 0, len(list)+1)
	for _, r := range list {
		ids = append(ids, r.OID)
	}
	if head != "" && head.Target() == "" {
		ids = append(ids, string(head))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
