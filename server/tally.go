package server

import (
	"maps"
	"strings"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
)

// tally counts repos by the state that is shown, from one view to the next: it looks at the
// rows that have changed, and at those of nodes that have. All rows are looked at when too
// many changed to be told one by one, when a node that has changed holds many of them, and
// when there are so few nodes that one more or less changes how many copies every repo can
// have.
type tally struct {
	mu     sync.Mutex
	shape  shape // of the view that was counted; its time is none
	counts api.RepoCounts
	below  int
	most   int // copies that any row asks for
	fails  map[failing]begins
	held   begins // those that are shown as such
	moved  elsewhere
	// trailing lack nothing until their copies have had the time to follow what was published.
	trailing map[string]trailing
}

// failing is a kind of failure of one upstream host.
type failing struct{ host, class string }

// trailing is a row whose copies have not all followed what was published then.
type trailing struct {
	since time.Time
	ready bool // is shown
}

// counted is what is true of all rows of a view.
type counted struct {
	repos api.RepoCounts
	below int // how many lack copies, or the newest of them
	fails map[failing]lasting
	held  lasting
	moved moved
}

// elsewhere are the rows whose upstreams say that they are elsewhere from now on.
type elsewhere struct {
	ids map[string]bool
	one string // of them, the same while it is among them: it is shown
}

func (e *elsewhere) add(id string, n int) {
	switch {
	case n < 0:
		delete(e.ids, id)
	case e.ids == nil:
		e.ids = map[string]bool{id: true}
	default:
		e.ids[id] = true
	}
}

// moved is how many upstreams are elsewhere, and one of them; nil for none.
type moved struct {
	repos int
	one   *fsm.Repo
}

func (e *elsewhere) all(view *fsm.View) moved {
	if !e.ids[e.one] {
		for e.one = range e.ids {
			break
		}
	}
	if len(e.ids) == 0 {
		return moved{}
	}
	return moved{len(e.ids), view.Repo(e.one)}
}

// count counts a view, or a later one that was counted before.
func (t *tally) count(sh shape) (c counted) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := sh.now
	sh.now = time.Time{}
	switch ids, known := t.differing(sh); {
	case !known:
		t.shape, t.counts, t.below, t.most, t.trailing, t.fails, t.held, t.moved = sh, api.RepoCounts{}, 0, 0, map[string]trailing{}, map[failing]begins{}, begins{}, elsewhere{}
		sh.view.Repos("", func(r *fsm.Repo) bool { t.add(r, 1); return true })
	case t.shape.view.Index() <= sh.view.Index():
		for id := range ids {
			t.add(t.shape.view.Repo(id), -1)
		}
		t.shape = sh
		for id := range ids {
			t.add(sh.view.Repo(id), 1)
		}
	}
	c = counted{repos: t.counts, below: t.below, fails: map[failing]lasting{}, held: t.held.all(), moved: t.moved.all(t.shape.view)}
	for of, b := range t.fails {
		c.fails[of] = b.all()
	}
	c.repos.ByState = maps.Clone(c.repos.ByState)
	for _, row := range t.trailing {
		if now.Sub(row.since) <= followBound {
			continue
		}
		if c.below++; row.ready {
			c.repos.Count(api.StateReady, -1)
			c.repos.Count(api.StateCopying, 1)
		}
	}
	return c
}

// fewRows are never too many to look at those of a node twice, before and after. More of
// them are where they are a quarter of all: then it costs less to look at all of them once.
const fewRows = 10_000

// differing lists the rows of which something else may be true in sh; false where that is
// not known.
func (t *tally) differing(sh shape) (ids map[string]bool, known bool) {
	was := t.shape
	if was.view == nil {
		return nil, false
	}
	if sh.view.Index() < was.view.Index() {
		return nil, true
	}
	changed, ok := sh.view.ChangedSince(was.view.Index())
	old := was.view.Nodes()
	if !ok || min(t.most, was.live) != min(t.most, sh.live) || min(t.most, was.places) != min(t.most, sh.places) {
		return nil, false
	}
	ids = make(map[string]bool, len(changed))
	for _, id := range changed {
		ids[id] = true
		if r := sh.view.Repo(id); r != nil && r.Policy.Replicas > t.most {
			return nil, false
		}
	}
	for _, n := range old {
		is := sh.view.Node(n.Num)
		if is != nil && is.State.Live() == n.State.Live() && sh.away(is) == was.away(n) {
			continue
		}
		if held := was.view.Holding(n.Num); held.Copies+held.Leaving > max(fewRows, t.counts.Total/4) {
			return nil, false
		}
		for _, v := range []*fsm.View{was.view, sh.view} {
			v.HeldBy(n.Num, func(r *fsm.Repo) bool { ids[r.ID] = true; return true })
		}
	}
	return ids, true
}

// add counts a row as the shape shows it, or takes it back; nothing of no row.
func (t *tally) add(r *fsm.Repo, n int) {
	if r == nil {
		return
	}
	state, _ := t.shape.state(r)
	t.counts.Count(state, n)
	if t.shape.below(r) {
		t.below += n
	}
	t.most = max(t.most, r.Policy.Replicas)
	if r.Error != nil && !r.Removed && !r.LeftAlone() { // who is left alone is not waited for
		of := failing{hostOf(r), r.Error.Class}
		if t.fails[of] == nil {
			t.fails[of] = begins{}
		}
		if t.fails[of].add(r.Error.Since, n); len(t.fails[of]) == 0 {
			delete(t.fails, of)
		}
	}
	if r.Moved != nil && !r.Removed && !r.LeftAlone() {
		t.moved.add(r.ID, n)
	}
	if state == api.StateHeld {
		t.held.add(r.Hold.Since, n)
	}
	switch {
	case n < 0:
		delete(t.trailing, r.ID)
	case t.shape.trails(r):
		t.trailing[r.ID] = trailing{r.ChangedAt(), state == api.StateReady}
	}
}

// hostOf is the host of a row's first upstream.
func hostOf(r *fsm.Repo) string {
	_, rest, _ := strings.Cut(r.URLs()[0], "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
