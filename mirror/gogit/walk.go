package gogit

import (
	"container/heap"
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/internal/gitfsck"
)

// slack is for how long, in seconds of the commits' own clocks, a walk goes on behind what it has
// found: clocks lie. Where they do by more, a walk may find something that it was to leave out.
const slack = 24 * 3600

// dated is a queue of commits, the latest first.
type dated []queued

type queued struct {
	id plumbing.Hash
	*commit
}

func (q dated) Len() int           { return len(q) }
func (q dated) Less(i, j int) bool { return q[i].when > q[j].when }
func (q dated) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *dated) Push(x any)        { *q = append(*q, x.(queued)) }
func (q *dated) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = queued{}
	*q = old[:len(old)-1]
	return last
}

// part is a part of a history: what some commits lead to, and others do not.
type part struct {
	commits map[plumbing.Hash]*commit // with some of those that are left out
	order   []plumbing.Hash           // of the part
}

// part walks from some commits to what others lead to. All have to be commits.
func (r *reader) part(ctx context.Context, from, without []plumbing.Hash) (*part, error) {
	p := &part{commits: map[plumbing.Hash]*commit{}}
	q := &dated{}
	wanted := 0 // of the part, that are in the queue
	put := func(id plumbing.Hash, whole bool) error {
		c := p.commits[id]
		if c == nil {
			if len(p.commits) > r.most {
				return r.over("a history of so many commits")
			}
			var err error
			if c, err = r.commit(id); err != nil {
				return err
			}
			p.commits[id], c.whole = c, whole
		} else if c.whole || !whole {
			return nil
		} else {
			c.whole = true
			if c.queued {
				wanted--
				return nil
			}
		}
		c.queued = true
		heap.Push(q, queued{id, c})
		if !c.whole {
			wanted++
		}
		return nil
	}
	for _, id := range without {
		if err := put(id, true); err != nil {
			return nil, err
		}
	}
	for _, id := range from {
		if err := put(id, false); err != nil {
			return nil, err
		}
	}
	oldest := int64(0)
	for n := 0; q.Len() > 0; n++ {
		if wanted == 0 && (len(p.order) == 0 || (*q)[0].when < oldest-slack) {
			break
		}
		if n%1000 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c := heap.Pop(q).(queued)
		if c.queued = false; !c.whole {
			wanted--
			if len(p.order) == 0 || c.when < oldest {
				oldest = c.when
			}
			p.order = append(p.order, c.id)
		}
		for _, parent := range c.parents {
			if err := put(parent, c.whole); err != nil {
				return nil, err
			}
		}
	}
	kept := p.order[:0]
	for _, id := range p.order { // some were found before it was known that others lead to them
		if !p.commits[id].whole {
			kept = append(kept, id)
		}
	}
	p.order = kept
	return p, nil
}

// mostNested is how deep trees may lie in each other. git's own bound is half of it.
const mostNested = 4096

var errNested = errors.New("trees lie too deep in each other")

// walker walks through all that objects lead to.
type walker struct {
	*reader
	ctx   context.Context
	known map[plumbing.Hash]struct{} // trees and blobs that are there with all they lead to
	found []plumbing.Hash            // of what was walked through, in any order
	steps int
}

func (r *reader) proof(ctx context.Context) *walker {
	return &walker{reader: r, ctx: ctx, known: map[plumbing.Hash]struct{}{}}
}

func (p *walker) knows(id plumbing.Hash) bool {
	_, ok := p.known[id]
	return ok
}

// connected returns an error when not all that some objects lead to is there, as far as others do
// not lead to it, which are whole: a missingError, or what keeps an object from being read.
func (p *walker) connected(oids, whole []plumbing.Hash) error {
	var without, from, trees []plumbing.Hash
	for _, id := range whole {
		o, err := p.peel(id, func(tag plumbing.Hash) { p.known[tag] = struct{}{} })
		if err != nil { // then where the walk ends says nothing of where it began
			return fmt.Errorf("what is to be whole is not: %v", err)
		}
		p.known[o.Hash()] = struct{}{}
		if o.Type() == plumbing.CommitObject {
			without = append(without, o.Hash())
		}
	}
	for _, id := range oids {
		if p.knows(id) {
			continue
		}
		o, err := p.peel(id, func(tag plumbing.Hash) {
			if !p.knows(tag) {
				_ = p.note(tag) // they are few
			}
		})
		if err != nil {
			return err
		}
		switch o.Type() {
		case plumbing.BlobObject:
			if !p.knows(o.Hash()) {
				if err := p.note(o.Hash()); err != nil {
					return err
				}
			}
		case plumbing.CommitObject:
			from = append(from, o.Hash())
		case plumbing.TreeObject:
			trees = append(trees, o.Hash())
		}
	}
	history, err := p.part(p.ctx, from, without)
	if err != nil {
		return err
	}
	// The trees of a commit's parents are whole when its own is looked at, so that only what
	// differs has to be.
	for i := len(history.order) - 1; i >= 0; i-- {
		c := history.commits[history.order[i]]
		var before []plumbing.Hash
		for _, parent := range c.parents {
			if q := history.commits[parent]; q != nil && (q.whole || p.knows(q.tree)) {
				before = append(before, q.tree)
			}
		}
		if err := p.tree(c.tree, before, 0); err != nil {
			return err
		}
		p.found = append(p.found, history.order[i])
	}
	for _, id := range trees {
		if err := p.tree(id, nil, 0); err != nil {
			return err
		}
	}
	return nil
}

// tree looks at a tree and all below it. What before, trees that are whole, has in the same place
// is there.
func (p *walker) tree(id plumbing.Hash, before []plumbing.Hash, depth int) error {
	if p.knows(id) {
		return nil
	}
	for _, b := range before {
		if b == id {
			p.known[id] = struct{}{}
			return nil
		}
	}
	if depth > mostNested {
		return errNested
	}
	if p.steps++; p.steps%1000 == 0 && p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	data, err := p.read(id, plumbing.TreeObject)
	if err != nil {
		return err
	}
	type place struct {
		name string
		tree bool
	}
	had := map[place][]plumbing.Hash{}
	for _, b := range before {
		old, err := p.read(b, plumbing.TreeObject)
		if err != nil {
			return err
		}
		if err := gitfsck.Entries(old, func(e gitfsck.Entry) error {
			had[place{e.Name, e.IsTree()}] = append(had[place{e.Name, e.IsTree()}], e.ID)
			return nil
		}); err != nil {
			return fmt.Errorf("tree %s: %w", b, err)
		}
	}
	err = gitfsck.Entries(data, func(e gitfsck.Entry) error {
		there := had[place{e.Name, e.IsTree()}]
		switch {
		case e.IsSubmodule():
			return nil
		case e.IsTree():
			return p.tree(e.ID, there, depth+1)
		}
		return p.blob(e.ID, there)
	})
	if err != nil {
		return err
	}
	return p.note(id)
}

// note notes something that was walked through.
func (p *walker) note(id plumbing.Hash) error {
	if len(p.known) > 2*p.most {
		return p.over("a walk through so many objects")
	}
	p.known[id] = struct{}{}
	p.found = append(p.found, id)
	return nil
}

func (p *walker) blob(id plumbing.Hash, before []plumbing.Hash) error {
	if p.knows(id) {
		return nil
	}
	for _, b := range before {
		if b == id {
			return nil
		}
	}
	there, err := p.has(id)
	if err == nil && !there {
		err = &missingError{id}
	}
	if err != nil {
		return err
	}
	return p.note(id)
}
