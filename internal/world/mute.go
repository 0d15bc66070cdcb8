package world

import (
	"context"
	"slices"
	"time"

	"gitmirror/api"
)

// mute has nothing arrive any more of the connections to who owns a repository, at those that
// have just copied from it, and who make others: what is published then they have soon. Nobody
// does anything else meanwhile, so that nothing else excuses that they have not.
func (r *run) mute(s Step) {
	e := r.errand(s)
	if e == nil {
		r.missed(s)
		return
	}
	if !r.publishes(e) || !r.followed(e, followsSoon) { // which leaves idle connections
		r.missed(s)
		return
	}
	for _, n := range e.copies {
		r.w.Fabric.Hold(e.owner.Host, n.Host)
		defer r.w.Fabric.Release(e.owner.Host, n.Host)
	}
	if !r.publishes(e) {
		return
	}
	r.happened("mute: published")
	if !r.followed(e, calmWithin) && r.undisturbed(e) {
		r.violated("%v do not all follow %s for %s: connections to %s are dead, and others can be made", names(e.copies), nameOf(e.of), calmWithin, e.owner.Name)
	}
}

// followsSoon is how long it takes to copy what is published where nothing is in the way.
const followsSoon = 15 * time.Second

// errand is a repository whose owner and some of those that copy it do not lead, in a cluster
// in which nothing is broken.
type errand struct {
	of         *Upstream
	owner      *Node
	copies     []*Node
	lives      map[*Node]lifeOf
	generation uint64 // the last that was published
	epoch      uint64
}

// errand finds one, nil where there is none.
func (r *run) errand(s Step) *errand {
	nodes := r.nodes()
	if !r.whole(nodes) || r.held(nodes) || len(r.drained()) > 0 {
		return nil
	}
	is, _ := r.status(nodes)
	list := r.upstreams()
	for i := range list {
		e := &errand{of: list[(s.Repo+i)%len(list)], lives: map[*Node]lifeOf{}}
		row, err := rowAt(nodes, nameOf(e.of))
		if err != nil || row.State != api.StateReady || row.Owner == is.Leader || !e.of.well() || e.of.paused() {
			continue
		}
		e.owner, e.epoch = r.named(row.Owner), row.Epoch
		for _, c := range row.Copies {
			if n := r.named(c.Node); n != nil && n != e.owner && c.State == "ready" && c.Node != is.Leader {
				e.copies = append(e.copies, n)
			}
		}
		if e.owner != nil && len(e.copies) > 0 {
			for _, n := range nodes {
				e.lives[n] = n.alive()
			}
			return e
		}
	}
	return nil
}

// publishes has the owner of an errand publish something new.
func (r *run) publishes(e *errand) bool {
	before := r.generation(nameOf(e.of), []*Node{e.owner})
	e.of.Push("main")
	r.askFor(e.owner, nameOf(e.of), time.Second)
	return within(followsSoon, func() bool {
		e.generation = r.generation(nameOf(e.of), []*Node{e.owner})
		return e.generation > before
	})
}

// followed waits until all that are to copy have what was published.
func (r *run) followed(e *errand, d time.Duration) bool {
	return within(d, func() bool {
		row, err := rowAt([]*Node{e.owner}, nameOf(e.of))
		return err == nil && !slices.ContainsFunc(row.Copies, func(c api.Copy) bool {
			return slices.ContainsFunc(e.copies, func(n *Node) bool { return n.Name == c.Node }) && c.Generation < e.generation
		})
	})
}

// undisturbed tells whether nothing has come between since an errand was begun.
func (r *run) undisturbed(e *errand) bool {
	nodes := r.nodes()
	if !r.whole(nodes) || len(nodes) != len(e.lives) || len(r.drained()) > 0 {
		return false
	}
	for _, n := range nodes {
		if e.lives[n] != n.alive() {
			return false
		}
	}
	row, err := rowAt([]*Node{e.owner}, nameOf(e.of))
	return err == nil && row.Owner == e.owner.Name && row.Epoch == e.epoch
}

// rowAt is a row as the first node shows it that answers.
func rowAt(nodes []*Node, name string) (row api.Repo, err error) {
	for _, n := range nodes {
		if _, err = n.Get(context.Background(), "/api/v1/repos/"+name, &row); err == nil {
			break
		}
	}
	return row, err
}
