package mirror

import (
	"context"
	"slices"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
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
func (e *Engine) allow(ctx context.Context, repo *store.Repo, a Assignment, step *past.Step, v past.Verdict, observed refs.Digest) (past.Verdict, forgotten, error) {
	var taken []string
	var rest []refs.Change
	headToo := v.Reason == past.HeadRewrite && step.Head != step.Base.Head // and where HEAD leads now was not shown
	for i, c := range v.Lost {
		if (i > 0 || !headToo) && e.released(ctx, repo, a.Released, c) {
			taken = append(taken, c.Ref)
		} else {
			rest = append(rest, c)
		}
	}
	if p := a.Approved; p != nil && len(rest) > 0 {
		if !p.Observed.IsZero() && p.Observed == observed {
			// It is the picture that was shown, but for what a pin hid of it.
			hidden := func(c refs.Change) bool {
				return slices.ContainsFunc(a.Released, func(r Release) bool { return r.Ref == c.Ref })
			}
			for _, c := range rest {
				if !hidden(c) {
					taken = append(taken, c.Ref)
				}
			}
			rest = slices.DeleteFunc(rest, func(c refs.Change) bool { return !hidden(c) })
		}
		if len(rest) == 0 || e.covers(ctx, repo, p, rest) {
			return past.Verdict{}, forgetAll, nil
		}
	}
	if len(taken) == 0 {
		return v, forgotten{}, nil
	}
	beside, err := step.Beside(taken).Weigh(history{ctx, e, repo})
	return beside, forgotten{refs: taken}, err
}

// released tells whether a loss is what a person was shown when they released a pin.
func (e *Engine) released(ctx context.Context, repo *store.Repo, list []Release, c refs.Change) bool {
	i := slices.IndexFunc(list, func(r Release) bool { return r.Ref == c.Ref })
	if i < 0 || list[i].Upstream == nil || !e.ledTo(ctx, repo, *list[i].Upstream, c.New) {
		return false
	}
	return e.ledTo(ctx, repo, c.Old, list[i].OID)
}

// ledTo tells whether now is what was shown, or a fast-forward of it.
func (e *Engine) ledTo(ctx context.Context, repo *store.Repo, shown, now string) bool {
	return shown == now || shown != "" && now != "" && e.fetch.IsAncestor(ctx, repo.Dir(), shown, now)
}

// covers tells whether the losses are those of an approval, or some of them.
func (e *Engine) covers(ctx context.Context, repo *store.Repo, p *Approval, lost []refs.Change) bool {
	if p.Count == 0 {
		return false
	}
	lost = slices.Clone(lost)
	named := true
	for i, c := range lost {
		at := slices.IndexFunc(p.First, func(f refs.Change) bool {
			return f.Ref == c.Ref && f.Old == c.Old && e.ledTo(ctx, repo, f.New, c.New)
		})
		if at < 0 {
			named = false
		} else {
			lost[i] = p.First[at]
		}
	}
	return named || past.LossDigest(lost) == p.Losses
}
