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
	case api.StateRemoving:
		return sh.latest.at(happening{fsm.EventRepoRemoved, r.ID, 0})
	}
	return time.Time{}
}

// unservedSince is when the last of the nodes that have a copy went away, or when the last
// copy broke.
func (sh shape) unservedSince(r *fsm.Repo) (last time.Time) {
	for _, c := range r.Copies {
		var gone time.Time
		switch n := sh.view.Node(c.Node); {
		case c.State == fsm.CopyBroken:
			gone = sh.latest.at(happening{fsm.EventBroken, r.ID, c.Node})
		case c.State != fsm.CopyReady || n == nil:
			continue // it has never been served, or is meant to go
		case !n.State.Live():
			gone = n.Since
		case n.Sick != nil:
			gone = n.Sick.Since
		}
		if gone.IsZero() { // it is not heard, or nobody remembers
			return gone
		}
		if gone.After(last) {
			last = gone
		}
	}
	return last
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
