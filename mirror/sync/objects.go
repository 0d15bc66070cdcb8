package sync

import (
	"context"

	"gitmirror/mirror/fetch"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// Objects brings objects and judges histories. dir is a repository's.
type Objects interface {
	// Missing returns those ids that are not there with all they lead to. What whole names is
	// known to be: that anything else is present proves nothing of what it leads to.
	Missing(ctx context.Context, dir string, oids, whole []string) ([]string, error)
	// Fetch brings objects, and all they lead to, into staging, and proves that nothing
	// is missing.
	Fetch(ctx context.Context, st *store.Staging, src fetch.Source, oids []string) error
	// Peel finds what tags lead to.
	Peel(ctx context.Context, dir string, list []refs.Ref) error
	Histories
}

// missing tells which of the ids are not in a copy with all they lead to: what its live table
// names is, since a generation is proved before it is published.
func (w *Worker) missing(ctx context.Context, repo *store.Repo, oids []string) ([]string, error) {
	if len(oids) == 0 {
		return nil, nil
	}
	live, err := repo.Table()
	if err != nil {
		return nil, err
	}
	missing, err := w.objects.Missing(ctx, repo.Dir(), oids, refs.Tips(live.Refs, refs.Head(live.HeadOID())))
	if err != nil {
		w.suspect(repo, err)
	}
	return missing, err
}

// Histories answers questions about what leads to what.
type Histories interface {
	// Judge tells updated refs that are forced.
	Judge(ctx context.Context, dir string, changes []refs.Change) error
	IsAncestor(ctx context.Context, dir, old, new string) bool
	Unreachable(ctx context.Context, dir string, tips []string, keep []refs.Ref) (map[string]bool, error)
	Reached(ctx context.Context, dir string, tips []string, list, without []refs.Ref) (map[string]bool, error)
	Unrelated(ctx context.Context, dir string, pairs [][2]string) ([]bool, error)
	Left(ctx context.Context, dir string, old, keep []string) ([]int, error)
}
