package sync

import (
	"context"
	"errors"
	"slices"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// firstLost is how many of the losses are named in a hold, and so in the log.
// Those that moved come first: of them more are, since an approval has to know where to.
const (
	firstLost  = 20
	firstMoved = 100
)

// guardStep is what upstream shows, beside what is live here and what is remembered
// of it. A base that was rebuilt from the log is of objects that are not here: what
// became of them cannot be judged, and what was live before can.
func (w *Worker) guardStep(ctx context.Context, a work.Assignment, repo *store.Repo, live *refs.Table, b base, list []refs.Ref, head refs.Head, changes []refs.Change) (*past.Step, error) {
	if b.rebuilt {
		changes = refs.Diff(live, list)
		if err := w.judge(ctx, repo, base{table: live}, changes); err != nil {
			return nil, err
		}
	}
	return &past.Step{Base: live, Past: w.pastOf(ctx, a, repo), List: list, Head: head, Changes: changes, At: w.logTime()}, nil
}

// pastOf is what is remembered of the live table. Where that cannot be read it is
// asked for at the other copies; where none has it, every ref counts as settled.
func (w *Worker) pastOf(ctx context.Context, a work.Assignment, repo *store.Repo) *past.Record {
	digest := repo.LivePast()
	if digest.IsZero() {
		return nil
	}
	record, err := w.past.Record(digest, func() ([]byte, error) { return repo.Past(digest) })
	if err == nil {
		return record
	}
	for _, src := range w.holders.For(a.ID).Live {
		if data, perr := src.Past(ctx, digest); perr == nil {
			if r, perr := past.Decode(data, digest); perr == nil {
				return r
			}
		}
	}
	w.log.Warn("what was remembered of the refs cannot be read: all count as settled, and what was lost in the last day counts no more", "repo", a.Name, "err", err)
	return nil
}

// ErrNoPast says that a node does not have the file of a table's past.
var ErrNoPast = errors.New("no such file of the past")

// history asks git what the guard has to know. What is not here has no history: a
// successor's copy may lack what was lost with another.
type history struct {
	ctx  context.Context
	w    *Worker
	repo *store.Repo
}

func (h history) Reached(tips []string, list, without []refs.Ref) (map[string]bool, error) {
	return h.w.objects.Reached(h.ctx, h.repo.Dir(), tips, list, without)
}

func (h history) Unrelated(pairs [][2]string) ([]bool, error) {
	return h.w.objects.Unrelated(h.ctx, h.repo.Dir(), pairs)
}

func (h history) Left(old, keep []string) ([]int, error) {
	return h.w.objects.Left(h.ctx, h.repo.Dir(), old, keep)
}

// holdOf says what a verdict holds, and of what.
func holdOf(v past.Verdict, observed refs.Digest) *work.Hold {
	n := 0
	for n < len(v.Lost) && (n < firstLost || n < firstMoved && v.Lost[n].New != "") {
		n++
	}
	return &work.Hold{Reason: v.Reason, Observed: observed, Lost: len(v.Lost), Settled: v.Settled,
		First: refs.Detached(v.Lost[:n]), Losses: past.LossDigest(v.Lost)}
}

// publishedBefore tells whether what is lost was lost in the generation that was
// published last, whose owner has gone with it: it was judged then.
func publishedBefore(a work.Assignment, b base, observed refs.Digest, v past.Verdict, changes []refs.Change) bool {
	if observed == a.PublicDigest {
		return true
	}
	return b.rebuilt && !slices.ContainsFunc(v.Lost, func(c refs.Change) bool {
		return slices.ContainsFunc(changes, func(x refs.Change) bool { return x.Ref == c.Ref && x.Kind != refs.Updated })
	})
}
