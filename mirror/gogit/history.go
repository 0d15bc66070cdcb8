package gogit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/graph"
	"gitmirror/mirror/refs"
)

// history is a copy whose history is asked about. It is for one goroutine.
type history struct {
	*reader
	ctx context.Context
}

// history opens the repository in dir for f, whose errors become *failure.Error.
func (o *Objects) history(ctx context.Context, dir string, f func(history) error) error {
	r, err := o.open(dir)
	if err != nil {
		return failed(err)
	}
	defer r.close()
	err = f(history{r, ctx})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return failure.Of(context.Cause(ctx))
	case errors.Is(err, graph.ErrLarge):
		return o.tooMuch("its history")
	}
	return failed(err)
}

// commits tells which commit each object is, or leads to as a tag; what is none, or is not here,
// is left out.
func (h history) commits(ids []string) (map[string]string, error) {
	commits := map[string]string{}
	for _, id := range ids {
		if commits[id] != "" {
			continue
		}
		o, err := h.peel(plumbing.NewHash(id), nil)
		switch {
		case isMissing(err):
		case err != nil:
			return nil, err
		case o.Type() == plumbing.CommitObject:
			commits[id] = o.Hash().String()
		}
	}
	return commits, nil
}

// graph is the part of the history that some commits lead to and others do not.
func (h history) graph(from, without []string) (*graph.Graph, error) {
	p, err := h.part(h.ctx, hashes(from), hashes(without))
	if err != nil {
		return nil, err
	}
	g := graph.New(graph.Most)
	var line []byte
	for _, id := range p.order {
		line = append(line[:0], id.String()...)
		for _, parent := range p.commits[id].parents {
			line = append(append(line, ' '), parent.String()...)
		}
		if err := g.Add(line); err != nil {
			return nil, err
		}
	}
	g.Sort()
	return g, nil
}

// Peel fills in what annotated tags lead to, as the objects in dir say.
func (o *Objects) Peel(ctx context.Context, dir string, list []refs.Ref) error {
	if len(list) == 0 {
		return nil
	}
	return o.history(ctx, dir, func(h history) error {
		for i, r := range list {
			to, err := h.peel(plumbing.NewHash(r.OID), nil)
			if isMissing(err) {
				return failure.New(failure.Corrupt, fmt.Sprintf("object %s of %s is missing", r.OID, r.Name), err)
			}
			if err != nil {
				return err
			}
			if to.Hash().String() != r.OID {
				list[i].Peeled = to.Hash().String()
			}
		}
		return nil
	})
}

// Judge tells forced moves from fast-forwards: each Updated change whose old tip is not an
// ancestor of the new one becomes Forced. dir must hold both histories.
func (o *Objects) Judge(ctx context.Context, dir string, changes []refs.Change) error {
	var pairs [][2]string
	var moved []int
	for i, c := range changes {
		if c.Kind == refs.Updated {
			pairs, moved = append(pairs, [2]string{c.New, c.Old}), append(moved, i)
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	return o.history(ctx, dir, func(h history) error {
		forwards, err := h.ancestors(pairs)
		if err != nil {
			return err
		}
		for k, i := range moved {
			if !forwards[k] {
				changes[i].Kind = refs.Forced
			}
		}
		return nil
	})
}

// ancestors tells of each pair of objects whether the first has the second in its history; what
// is no commit, and leads to none as a tag, has none and is in none. What the commits that are new
// leave open (an old one behind another's) is asked of all of the history.
func (h history) ancestors(pairs [][2]string) ([]bool, error) {
	out := make([]bool, len(pairs))
	var ids []string
	for _, p := range pairs {
		ids = append(ids, p[0], p[1])
	}
	commits, err := h.commits(ids)
	if err != nil {
		return nil, err
	}
	var which []int
	var list [][2]string
	for i, p := range pairs {
		a, b := commits[p[0]], commits[p[1]]
		if out[i] = a != "" && a == b; a != "" && b != "" && !out[i] {
			which, list = append(which, i), append(list, [2]string{a, b})
		}
	}
	// Where a path leaves what is new at another old one, that says nothing.
	open, err := h.leads(list, true, func(k int) { out[which[k]] = true })
	if err != nil || len(list) == 1 {
		return out, err
	}
	if len(open) <= fewQuestions {
		for _, k := range open {
			if _, err := h.leads(list[k:k+1], true, func(int) { out[which[k]] = true }); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	left := make([][2]string, len(open))
	for i, k := range open {
		left[i] = list[k]
	}
	_, err = h.leads(left, false, func(i int) { out[which[open[i]]] = true })
	return out, err
}

// fewQuestions are asked one by one: what one pair's commits have that the other does not is
// nearly always little.
const fewQuestions = 16

// leads tells yes the pairs whose first commit leads to the second, and returns the others. What
// the second ones lead to is left out where short is set.
func (h history) leads(pairs [][2]string, short bool, yes func(i int)) (others []int, err error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	var from, without []string
	for _, p := range pairs {
		if from = append(from, p[0]); short {
			without = append(without, p[1])
		}
	}
	g, err := h.graph(from, without)
	if err != nil {
		return nil, err
	}
	leads, err := g.Leads(h.ctx, pairs)
	for i := range leads {
		if leads[i] {
			yes(i)
		} else {
			others = append(others, i)
		}
	}
	return others, err
}

// IsAncestor tells whether new's history has old in it; what is not here is in none.
func (o *Objects) IsAncestor(ctx context.Context, dir, old, new string) (is bool) {
	err := o.history(ctx, dir, func(h history) error {
		out, err := h.ancestors([][2]string{{new, old}})
		is = err == nil && out[0]
		return err
	})
	return is && err == nil
}

// Unreachable returns those of the tips that no ref in keep leads to. Of trees and blobs, which
// hardly any ref names, it is known of what those refs name and what the commits have that they
// lead to first.
func (o *Objects) Unreachable(ctx context.Context, dir string, tips []string, keep []refs.Ref) (map[string]bool, error) {
	lost := map[string]bool{}
	if len(tips) == 0 {
		return lost, nil
	}
	return lost, o.history(ctx, dir, func(h history) error {
		named := map[string]bool{} // with the tags on the way
		var without []string
		for _, r := range keep {
			to, err := h.peel(plumbing.NewHash(r.OID), func(tag plumbing.Hash) { named[tag.String()] = true })
			if err != nil {
				return err
			}
			if named[to.Hash().String()] = true; to.Type() == plumbing.CommitObject {
				without = append(without, to.Hash().String())
			}
		}
		var from, files []string
		for _, t := range tips {
			to, err := h.find(plumbing.NewHash(t))
			switch {
			case err != nil:
				return err
			case to.Type() == plumbing.CommitObject:
				from = append(from, t)
			case named[t]:
			case to.Type() == plumbing.TagObject:
				lost[t] = true
			default:
				files = append(files, t)
			}
		}
		if err := h.lostFiles(files, hashes(without), lost); err != nil {
			return err
		}
		g, err := h.graph(from, without)
		if err != nil {
			return err
		}
		for _, t := range from {
			if g.Has(t) {
				lost[t] = true
			}
		}
		return nil
	})
}

// lostFiles notes which trees and blobs are in none of the commits.
func (h history) lostFiles(files []string, commits []plumbing.Hash, lost map[string]bool) error {
	if len(files) == 0 {
		return nil
	}
	p := h.proof(h.ctx)
	for _, id := range commits {
		c, err := h.commit(id)
		if err == nil {
			err = p.tree(c.tree, nil, 0)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range files {
		if !p.knows(plumbing.NewHash(f)) {
			lost[f] = true
		}
	}
	return nil
}

// Reached returns those of the tips, commits or tags of them, that a ref of list leads to. Where
// it is known that no public ref of without does, only what is new since without is walked. What
// is not here is not reached.
func (o *Objects) Reached(ctx context.Context, dir string, tips []string, list, without []refs.Ref) (map[string]bool, error) {
	reached := map[string]bool{}
	if len(tips) == 0 {
		return reached, nil
	}
	return reached, o.history(ctx, dir, func(h history) error {
		ids := slices.Clone(tips)
		for _, r := range slices.Concat(list, without) {
			ids = append(ids, r.OID)
		}
		commits, err := h.commits(ids)
		if err != nil {
			return err
		}
		public := func(list []refs.Ref) (ids []string) {
			for _, r := range list {
				if c := commits[r.OID]; c != "" && r.Public() {
					ids = append(ids, c)
				}
			}
			return ids
		}
		from, leave := public(list), public(without)
		if without == nil {
			from, leave = nil, from
			for _, t := range tips {
				if c := commits[t]; c != "" {
					from = append(from, c)
				}
			}
		}
		g, err := h.graph(from, leave)
		if err != nil {
			return err
		}
		for _, t := range tips {
			c := commits[t]
			reached[t] = c != "" && g.Has(c) == (without != nil)
		}
		return nil
	})
}

// Unrelated tells of each pair of objects whether their histories have nothing in common. What is
// no commit, or is not here, is related to nothing.
func (o *Objects) Unrelated(ctx context.Context, dir string, pairs [][2]string) ([]bool, error) {
	out := make([]bool, len(pairs))
	if len(pairs) == 0 {
		return out, nil
	}
	return out, o.history(ctx, dir, func(h history) error {
		var ids []string
		for _, p := range pairs {
			ids = append(ids, p[0], p[1])
		}
		commits, err := h.commits(ids)
		if err != nil {
			return err
		}
		var which []int
		var list [][2]string
		for i, p := range pairs {
			a, b := commits[p[0]], commits[p[1]]
			if out[i] = a == "" || b == ""; !out[i] {
				which, list = append(which, i), append(list, [2]string{a, b})
			}
		}
		g, err := h.graph(slices.Sorted(maps.Values(commits)), nil)
		if err != nil {
			return err
		}
		related, err := g.Related(ctx, list)
		for k, i := range which {
			out[i] = err == nil && !related[k]
		}
		return err
	})
}

// Left counts for each of old the commits that it leads to and none of keep does, of what is
// here.
func (o *Objects) Left(ctx context.Context, dir string, old, keep []string) (counts []int, err error) {
	err = o.history(ctx, dir, func(h history) error {
		commits, err := h.commits(slices.Concat(old, keep))
		if err != nil {
			return err
		}
		of := func(ids []string) (list []string) {
			for _, id := range ids {
				if c := commits[id]; c != "" {
					list = append(list, c)
				}
			}
			return list
		}
		g, err := h.graph(of(old), of(keep))
		if err != nil {
			return err
		}
		tips := make([]string, len(old))
		for i, id := range old {
			tips[i] = commits[id]
		}
		counts, err = g.Sizes(ctx, tips)
		return err
	})
	return counts, err
}
