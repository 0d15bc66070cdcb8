package mirror

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// firstLost is how many of the losses are named in a hold, and so in the log.
const firstLost = 20

// guardStep is what upstream shows, beside what is live here and what is remembered
// of it. A base that was rebuilt from the log is of objects that are not here: what
// became of them cannot be judged, and what was live before can.
func (e *Engine) guardStep(ctx context.Context, a Assignment, repo *store.Repo, live *refs.Table, b base, list []refs.Ref, head refs.Head, changes []refs.Change) (*past.Step, error) {
	if b.rebuilt {
		changes = refs.Diff(live, list)
		if err := e.judge(ctx, repo, base{table: live}, changes); err != nil {
			return nil, err
		}
	}
	return &past.Step{Base: live, Past: e.pastOf(ctx, a, repo), List: list, Head: head, Changes: changes, At: e.cfg.LogTime()}, nil
}

// pastOf is what is remembered of the live table. Where that cannot be read it is
// asked for at the other copies; where none has it, every ref counts as settled.
func (e *Engine) pastOf(ctx context.Context, a Assignment, repo *store.Repo) *past.Record {
	digest := repo.LivePast()
	if digest.IsZero() {
		return nil
	}
	data, err := repo.Past(digest)
	if err == nil {
		var r *past.Record
		if r, err = past.Decode(data, digest); err == nil {
			return r
		}
	}
	for _, src := range e.cfg.Sources.For(a.ID).Live {
		if data, perr := src.Past(ctx, digest); perr == nil {
			if r, perr := past.Decode(data, digest); perr == nil {
				return r
			}
		}
	}
	e.log.Warn("what was remembered of the refs cannot be read: all count as settled, and what was lost in the last day counts no more", "repo", a.Name, "err", err)
	return nil
}

// Past is the file of what is remembered of a table, for peers.
func (e *Engine) Past(id string, digest refs.Digest) ([]byte, error) {
	r := e.store.Repo(id)
	if r == nil {
		return nil, ErrNoCopy
	}
	data, err := r.Past(digest)
	if err != nil {
		return nil, fmt.Errorf("past %s is not here: %w", digest, ErrNoCopy)
	}
	return data, nil
}

// Remembered is the live table of a repository, and what is remembered of it.
func (e *Engine) Remembered(id string) (*refs.Table, *past.Record, error) {
	r := e.store.Repo(id)
	if r == nil {
		return nil, nil, ErrNoCopy
	}
	if err := e.fit(id); err != nil {
		return nil, nil, err
	}
	t, err := r.Table()
	if err != nil || t.Generation == 0 {
		return nil, nil, cmp.Or(err, ErrNoCopy)
	}
	data, err := r.Past(t.Past)
	if err != nil {
		return t, nil, nil
	}
	record, _ := past.Decode(data, t.Past) // without it, names tell most of what is kept
	return t, record, nil
}

// history asks git what the guard has to know. What is not here has no history: a
// successor's copy may lack what was lost with another.
type history struct {
	ctx  context.Context
	e    *Engine
	repo *store.Repo
}

func (h history) Reached(tips []string, list, without []refs.Ref) (map[string]bool, error) {
	return h.e.fetch.Reached(h.ctx, h.repo.Dir(), tips, list, without)
}

func (h history) Unrelated(pairs [][2]string) ([]bool, error) {
	return h.e.fetch.Unrelated(h.ctx, h.repo.Dir(), pairs)
}

func (h history) Left(old, keep []string) (int, error) {
	return h.e.fetch.Left(h.ctx, h.repo.Dir(), old, keep)
}

// holdOf says what a verdict holds, and of what.
func holdOf(v past.Verdict, observed refs.Digest) *Hold {
	return &Hold{Reason: v.Reason, Observed: observed, Lost: len(v.Lost), Settled: v.Settled,
		First: slices.Clone(v.Lost[:min(len(v.Lost), firstLost)]), Losses: past.LossDigest(v.Lost)}
}

// approvalFor is for how long the release of a pin, which is tied to no hold, lets
// upstream's own value in: that of a check that follows it.
const approvalFor = time.Hour

// approved tells whether a person has taken what is lost: just this picture of
// upstream, or these losses, or some of them. A fast-forward of what was shown, and
// new refs, make no difference; another loss does.
func (e *Engine) approved(ctx context.Context, repo *store.Repo, a Assignment, v past.Verdict, observed refs.Digest) bool {
	p := a.Approved
	if p == nil {
		return false
	}
	if !p.Observed.IsZero() && p.Observed == observed {
		return true
	}
	lost := slices.Clone(v.Lost)
	if e.cfg.LogTime().Now.Sub(p.At) < approvalFor {
		lost = slices.DeleteFunc(lost, func(c refs.Change) bool { return slices.Contains(p.Unpinned, c.Ref) })
		if len(lost) == 0 {
			return len(v.Lost) > 0
		}
	}
	if p.Count == 0 {
		return false
	}
	for i, c := range lost {
		for _, shown := range p.First {
			if shown.Ref == c.Ref && shown.Old == c.Old && shown.New != "" && c.New != "" && shown.New != c.New && e.fetch.IsAncestor(ctx, repo.Dir(), shown.New, c.New) {
				lost[i] = shown
			}
		}
	}
	if past.LossDigest(lost) == p.Losses {
		return true
	}
	return p.Count == len(p.First) && !slices.ContainsFunc(lost, func(c refs.Change) bool {
		return !slices.ContainsFunc(p.First, func(f refs.Change) bool { return f.Ref == c.Ref && f.Old == c.Old && f.New == c.New })
	})
}
