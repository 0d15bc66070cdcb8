package sync

import (
	"context"
	"slices"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// forgotten are losses that count no more, because a person has taken them.
type forgotten struct {
	all  bool
	refs []string
}

var forgetAll = forgotten{all: true}

func (f forgotten) has(ref string) bool { return f.all || slices.Contains(f.refs, ref) }

// allow is the verdict on what a person has not taken, and what they have: the losses of a
// hold all together, or none of them, and each released ref for itself. Nothing is taken
// that was not shown.
func (w *Worker) allow(ctx context.Context, repo *store.Repo, a work.Assignment, step *past.Step, v past.Verdict, observed refs.Digest) (past.Verdict, forgotten, error) {
	var taken []string
	var rest []refs.Change
	headToo := v.Reason == past.HeadRewrite && step.Head != step.Base.Head // and where HEAD leads now was not shown
	for i, c := range v.Lost {
		if (i >= v.Heads || !headToo) && w.released(ctx, repo, a.Released, c) {
			taken = append(taken, c.Ref)
		} else {
			rest = append(rest, c)
		}
	}
	if p := a.Approved; p != nil && len(rest) > 0 {
		if w.covers(ctx, repo, p, rest) || !p.Observed.IsZero() && p.Observed == observed && pictured(p, rest) {
			return past.Verdict{}, forgetAll, nil
		}
	}
	if len(taken) == 0 {
		return v, forgotten{}, nil
	}
	beside, err := step.Beside(taken).Weigh(history{ctx, w, repo})
	return beside, forgotten{refs: taken}, err
}

// pictured tells whether losses may be those of an approval, of which it names the first:
// upstream shows what it showed then, but what counts of it may have become less with the
// day, and more with a pin that is gone.
func pictured(p *work.Approval, lost []refs.Change) bool {
	if len(lost) > p.Count {
		return false
	}
	return p.Count > len(p.First) || !slices.ContainsFunc(lost, func(c refs.Change) bool {
		return !slices.ContainsFunc(p.First, func(f refs.Change) bool { return f.Ref == c.Ref && f.New == c.New })
	})
}

// released tells whether a loss is what a person was shown when they released a pin.
func (w *Worker) released(ctx context.Context, repo *store.Repo, list []work.Release, c refs.Change) bool {
	i := slices.IndexFunc(list, func(r work.Release) bool { return r.Ref == c.Ref })
	if i < 0 || list[i].Upstream == nil || !w.ledTo(ctx, repo, *list[i].Upstream, c.New) {
		return false
	}
	return w.ledTo(ctx, repo, c.Old, list[i].OID)
}

// ledTo tells whether now is what was shown, or a fast-forward of it.
func (w *Worker) ledTo(ctx context.Context, repo *store.Repo, shown, now string) bool {
	return shown == now || shown != "" && now != "" && w.objects.IsAncestor(ctx, repo.Dir(), shown, now)
}

// covers tells whether the losses are those of an approval, or some of them.
func (w *Worker) covers(ctx context.Context, repo *store.Repo, p *work.Approval, lost []refs.Change) bool {
	if p.Count == 0 {
		return false
	}
	lost = slices.Clone(lost)
	named := true
	for i, c := range lost {
		at := slices.IndexFunc(p.First, func(f refs.Change) bool {
			return f.Ref == c.Ref && f.Old == c.Old && w.ledTo(ctx, repo, f.New, c.New)
		})
		if at < 0 {
			named = false
		} else {
			lost[i] = p.First[at]
		}
	}
	return named || past.LossDigest(lost) == p.Losses
}
