package coordinator

import (
	"maps"
	"slices"
	"time"

	"gitmirror/fsm"
)

// planEvery is how often everything is planned anew while nothing calls for it: what was
// placed one by one is levelled, and what was missed is found.
const planEvery = 10 * time.Minute

// agenda is which rows a leader has to look at, kept from look to look: those that have
// changed, those whose owner is lost, and those that are not where the last plan wants
// them. It is made anew in each term.
type agenda struct {
	begun      bool
	index      uint64              // of the view up to which changes are known
	conditions []condition         // of the nodes, as the last plan took them
	look       map[string]bool     // rows to be looked at
	plan       map[string][]uint32 // where rows shall be that are not there yet, by id
	order      []string            // of plan, the most urgent first
	at         int                 // how far the order has been gone through

	due     bool // everything is to be planned
	planned time.Time
	took    time.Duration
}

// follow notes what has become of the cluster since the last look.
func (a *agenda) follow(s *survey) {
	if a.look == nil {
		a.look, a.plan = map[string]bool{}, map[string][]uint32{}
	}
	ids, known := s.view.ChangedSince(a.index)
	for _, id := range ids {
		a.look[id] = true
	}
	a.index = s.view.Index()
	conditions := s.conditions()
	if changed := !slices.Equal(conditions, a.conditions); changed || !known || !a.begun {
		a.begun, a.due, a.conditions = true, true, conditions
		// The plan was made for other nodes: one of them may be gone.
		a.plan, a.order, a.at = map[string][]uint32{}, nil, 0
		for _, n := range s.lost() { // before the plan, which takes its time
			s.view.OwnedBy(n, func(r *fsm.Repo) bool { a.look[r.ID] = true; return true })
		}
	}
	if s.now.Sub(a.planned) >= planEvery {
		a.due = true
	}
}

// planCheap is what a plan may take for the next to need no pause.
const planCheap = 100 * time.Millisecond

// planNow tells whether it is time to plan everything. A plan that takes long is made no
// more often than that it is a small share of the time.
func (a *agenda) planNow(now time.Time) bool {
	return a.due && (a.took < planCheap || now.Sub(a.planned) >= lookShare*a.took)
}

// perLook is how many planned rows one look goes through: most wait for others.
const perLook = 5000

// next lists the rows to look at, those with news first, and then some that are not where
// the plan wants them.
func (a *agenda) next(view *fsm.View) (rows []*fsm.Repo) {
	for _, id := range slices.Sorted(maps.Keys(a.look)) {
		if r := view.Repo(id); r != nil && !r.Removed {
			rows = append(rows, r)
		}
	}
	for range min(perLook, len(a.order)) {
		a.at %= len(a.order)
		id := a.order[a.at]
		r := view.Repo(id)
		if a.plan[id] == nil || r == nil || r.Removed {
			a.order = slices.Delete(a.order, a.at, a.at+1)
			delete(a.plan, id)
			if len(a.order) == 0 {
				break
			}
			continue
		}
		a.at++
		if !a.look[id] {
			rows = append(rows, r)
		}
	}
	return rows
}
