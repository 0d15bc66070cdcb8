package server

import (
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
)

// since is when the state that is shown of a row began; zero where nobody knows. The table
// has the dates of what fails and of what is held; of the rest what the nodes' states and the
// events that are kept still say.
func (sh shape) since(r *fsm.Repo, state string) time.Time {
	switch state {
	case api.StateFailing:
		return r.Error.Since
	case api.StateHeld:
		return r.Hold.Since
	case api.StateUnserved:
		return sh.unservedSince(r)
	case api.StateParked:
		return sh.latest.at(happening{fsm.EventParked, r.ID, 0})
	case api.StatePaused:
		return sh.latest.at(happening{fsm.EventRepoPaused, r.ID, 0})
	case api.StateRetired:
		return r.Sourced.RetiredAt()
	case api.StateRemoving:
		return sh.latest.at(happening{fsm.EventRepoRemoved, r.ID, 0})
	case api.StateCloning:
		return r.AddedAt()
	case api.StatePending:
		return sh.pendingSince(r)
	case api.StateCopying:
		return sh.copyingSince(r)
	case api.StateBehind:
		return sh.behindSince(r)
	}
	return time.Time{}
}

// unservedSince is when the last of the nodes that have a copy went away, or when the last
// copy broke.
func (sh shape) unservedSince(r *fsm.Repo) (last time.Time) {
	for _, c := range r.Copies {
		if c.State != fsm.CopyBroken && (c.State != fsm.CopyReady || sh.view.Node(c.Node) == nil) {
			continue // it has never been served, or is meant to go
		}
		gone := sh.goneAt(r, c)
		if gone.IsZero() {
			return gone
		}
		last = latestOf(last, gone)
	}
	return last
}

// pendingSince is when the node went away that is to clone it, or when it was added: with a node
// that could not take it.
func (sh shape) pendingSince(r *fsm.Repo) time.Time {
	if owner := sh.view.Node(r.Owner); owner != nil {
		return latestOf(r.AddedAt(), owner.Since)
	} else if len(r.Copies) == 0 {
		return r.AddedAt()
	}
	return time.Time{}
}

// copyingSince is when the first copy that it lacks went away, or, where all are there, when what
// some of them lack was published. Since when a copy is wanted that has never been, nobody knows.
func (sh shape) copyingSince(r *fsm.Repo) (first time.Time) {
	if sh.late(r) {
		return r.ChangedAt()
	}
	for _, c := range r.Copies {
		n := sh.view.Node(c.Node)
		if c.State == fsm.CopyReady && n != nil && sh.away(n) == "" || c.State == fsm.CopyLeaving {
			continue
		}
		gone := sh.goneAt(r, c)
		if gone.IsZero() {
			return gone
		}
		if first.IsZero() || gone.Before(first) {
			first = gone
		}
	}
	return first
}

// behindSince is when the last node went away that has the newest, or when that was published,
// whatever came later.
func (sh shape) behindSince(r *fsm.Repo) time.Time {
	began := r.ChangedAt()
	for _, c := range r.Copies {
		if c.State != fsm.CopyReady || c.Generation != r.Generation {
			continue
		}
		gone := sh.goneAt(r, c)
		if gone.IsZero() {
			return gone
		}
		began = latestOf(began, gone)
	}
	return began
}

// goneAt is when clients could not have a copy any more, zero where it has never been there, is
// not heard, or nobody remembers.
func (sh shape) goneAt(r *fsm.Repo, c fsm.Copy) time.Time {
	switch n := sh.view.Node(c.Node); {
	case c.State == fsm.CopyBroken:
		return sh.brokeAt(r, c)
	case c.State != fsm.CopyReady || n == nil:
		return time.Time{}
	case !n.State.Live():
		return n.Since
	case n.Sick != nil:
		return n.Sick.Since
	}
	return time.Time{}
}

func latestOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// brokeAt is when a copy broke, zero where that is not known.
func (sh shape) brokeAt(r *fsm.Repo, c fsm.Copy) time.Time {
	if c.State != fsm.CopyBroken {
		return time.Time{}
	}
	return sh.latest.at(happening{fsm.EventBroken, r.ID, c.Node})
}

// happening is what an event is of. The node is the one whose copy it is about, 0 where it is
// about the repo.
type happening struct {
	kind, repo string
	node       fsm.NodeNum
}

// latest are the times of the last events that date a state, of a view. The events are looked
// through when the first of these times is asked for. It is safe for concurrent use.
type latest struct {
	view *fsm.View
	once sync.Once
	of   map[happening]time.Time
}

// at is zero where there was none, or where it is not kept any more.
func (l *latest) at(h happening) time.Time {
	if l == nil {
		return time.Time{}
	}
	l.once.Do(func() {
		l.of = map[happening]time.Time{}
		l.view.LatestEvents(func(e *fsm.Event) bool {
			of := happening{e.Type, e.Repo, 0}
			switch e.Type {
			case fsm.EventRepoPaused, fsm.EventRepoRemoved, fsm.EventParked:
			case fsm.EventBroken:
				of.node = e.Node
			default:
				return true
			}
			if _, later := l.of[of]; !later {
				l.of[of] = e.At
			}
			return true
		})
	})
	return l.of[h]
}

// begins counts what goes on by when it began, in milliseconds of Unix time.
type begins map[int64]int

func (b begins) add(since time.Time, n int) {
	ms := since.UnixMilli()
	if b[ms] += n; b[ms] == 0 {
		delete(b, ms)
	}
}

// lasting is how many there are, and since when the first.
type lasting struct {
	repos int
	since time.Time
}

func (b begins) all() (l lasting) {
	var first int64
	for ms, n := range b {
		if l.repos == 0 || ms < first {
			first = ms
		}
		l.repos += n
	}
	if l.repos > 0 {
		l.since = time.UnixMilli(first).UTC()
	}
	return l
}
