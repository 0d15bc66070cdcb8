package coordinator

import (
	"errors"
	"testing"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// What happens to rows is dealt with row by row: everything is planned anew when nodes
// have changed, and now and then.
func TestRowsAreDealtWithOneByOne(t *testing.T) {
	w := newWorld(t, 4)
	w.settle()
	planned := w.c.term.Load().agenda.planned
	w.add(50)
	w.settle()
	for i, r := range w.rows() {
		if len(r.Copies) != 2 || r.Owner == 0 || r.Generation == 0 {
			t.Fatalf("a new row at rest: %+v", r)
		}
		other := r.Copies[0].Node
		if other == r.Owner {
			other = r.Copies[1].Node
		}
		switch i % 5 {
		case 0: // a copy that is broken stays where it is to be
			w.report(other, &command.CopyReport{Repo: r.ID, State: command.CopyState_COPY_STATE_BROKEN})
		case 1:
			w.apply(&command.RemoveRepos{Ids: []string{r.ID}})
		case 2: // its owner cannot write it
			w.apply(&command.Report{Node: w.state.View().Node(r.Owner).ID, Health: []*command.HealthReport{{Repo: r.ID, Epoch: r.Epoch, ErrorClass: "disk"}}})
		}
	}
	w.settle()
	for _, r := range w.rows() {
		if len(r.Copies) != 2 || r.Owner == 0 || w.ready()[r.ID] < 2 {
			t.Errorf("at rest: %+v", r)
		}
	}
	if w.c.term.Load().agenda.planned != planned {
		t.Error("everything was planned for what happened to rows")
	}
	if a := w.c.term.Load().agenda; len(a.look)+len(a.plan)+len(a.order) > 10 {
		t.Errorf("at rest the agenda has %d rows to look at, %d planned", len(a.look), len(a.plan))
	}
	w.join(5)
	w.settle()
	if w.c.term.Load().agenda.planned == planned {
		t.Error("nothing was planned for a new node")
	}
	if h := w.state.View().Holding(w.state.View().NodeByID(id(5)).Num); h.Copies < 12 {
		t.Errorf("the new node has %d copies", h.Copies)
	}
}

// What could not be proposed is tried again.
func TestNothingOnTheAgendaIsForgotten(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.add(5)
	w.settle()
	w.alive[id(2)] = false
	for range 3 {
		w.fails = errors.New("no leader")
		_ = w.c.reconcile(t.Context())
	}
	w.fails = nil
	w.look()
	for _, r := range w.rows() {
		if n := w.state.View().Node(r.Owner); n == nil || n.ID == id(2) {
			t.Errorf("%s is owned by %v", r.Name, n)
		}
	}
}

// busyWorld is two nodes with 750 repos: a third one has more to make than it may at once.
func busyWorld(t *testing.T) *world {
	w := newWorld(t, 2)
	w.settle()
	for range 3 {
		w.add(250)
	}
	w.settle()
	return w
}

// A node makes no more than maxWanted copies at a time, and all of them in the end.
func TestAPlanIsCarriedOutPieceByPiece(t *testing.T) {
	w := busyWorld(t)
	w.join(3)
	w.join(4)
	for range 100 {
		w.look()
		most := 0
		for _, n := range w.state.View().Nodes() {
			most = max(most, w.state.View().Holding(n.Num).Wanted)
		}
		if most > maxWanted {
			t.Fatalf("a node has %d copies to make", most)
		}
		if most == 0 {
			break
		}
		w.work()
	}
	w.settle()
	w.look() // what the last look found to be done leaves the order with the next
	if a := &w.c.term.Load().agenda; len(a.look)+len(a.plan)+len(a.order) > 0 {
		t.Errorf("all is done, and the agenda has %d rows to look at, %d of a plan", len(a.look), len(a.plan))
	}
	for _, n := range w.state.View().Nodes() {
		if h := w.state.View().Holding(n.Num); h.Copies < 340 || h.Copies > 410 || h.Leaving > 0 {
			t.Errorf("%s holds %+v, want 375 copies", n.Name, h)
		}
	}
}

// tired has the next plan over everything wait for long.
func (w *world) tired() {
	a := &w.c.term.Load().agenda
	a.took, a.planned = time.Hour, time.Now()
}

// The repos of a lost owner do not wait for a plan, nor do those that nobody owned.
func TestALostOwnerWaitsForNoPlan(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.add(30)
	w.settle()
	w.tired()
	w.alive[id(2)], w.alive[id(3)] = false, false
	w.look()
	first := w.state.View().NodeByID(id(1)).Num
	for _, r := range w.rows() {
		if _, ok := r.Copy(first); ok && r.Owner != first {
			t.Errorf("%s has a copy on the node that is left, and is owned by %d", r.Name, r.Owner)
		}
	}
	w.alive[id(3)] = true // it owns what it owned, and what has no other
	w.tired()
	w.look()
	for _, r := range w.rows() {
		if n := w.state.View().Node(r.Owner); n == nil || n.ID == id(2) {
			if _, ok := r.Copy(w.state.View().NodeByID(id(3)).Num); ok {
				t.Errorf("%s has a copy on the node that is back, and is owned by %v", r.Name, n)
			}
		}
	}
}

// Copies that were missing before there were nodes for them are made when there are.
func TestMissingCopiesAreMade(t *testing.T) {
	w := newWorld(t, 1)
	w.settle()
	w.add(20)
	w.settle()
	w.join(2)
	w.settle()
	for _, r := range w.rows() {
		if len(r.Copies) != 2 {
			t.Errorf("%s has %d copies", r.Name, len(r.Copies))
		}
	}
}

// What has to wait for its turn, because a node makes so many copies already, is not
// forgotten, plan or not.
func TestRowsWaitForTheirTurnWithoutAPlan(t *testing.T) {
	w := newWorld(t, 1)
	w.settle()
	w.add(450)
	w.settle()
	w.join(2)
	w.tired()
	for _, r := range w.rows() {
		w.publish(r)
	}
	for range 20 {
		w.look()
		w.work()
	}
	for _, r := range w.rows() {
		if w.ready()[r.ID] < 2 {
			t.Fatalf("%+v", r.Copies)
		}
	}
}

// A row that is where a plan of before wanted it, when other many copies are wanted, is planned for these at once.
func TestARowOfAnOlderPlanIsPlannedAnew(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.add(1)
	w.settle()
	row := w.rows()[0]
	replicas := func(n uint32) {
		w.apply(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: row.ID, Policy: &command.SetPolicy{Replicas: &n}}}})
	}
	w.tired()
	replicas(3)
	w.look()
	if len(w.c.term.Load().agenda.plan) != 1 {
		t.Fatal("no copy is awaited")
	}
	w.work()
	replicas(1)
	for range 5 {
		w.look()
		w.work()
	}
	if row = w.rows()[0]; len(row.Copies) != 1 {
		t.Errorf("%+v", row.Copies)
	}
}

// A plan that could not be proposed is made again: that other nodes are to own what they
// hold is nowhere else.
func TestAPlanThatWasNotTakenIsMadeAgain(t *testing.T) {
	w := newWorld(t, 2)
	w.settle()
	w.add(20)
	w.settle()
	w.alive[id(2)] = false
	w.settle()
	w.alive[id(2)] = true
	w.apply(&command.SetNodeState{Id: id(2), State: command.NodeState_NODE_STATE_UP})
	w.fails = errors.New("no leader")
	if err := w.c.reconcile(t.Context()); err == nil {
		t.Fatal("nothing was proposed")
	}
	w.settle()
	if h := w.state.View().Holding(w.state.View().NodeByID(id(2)).Num); h.Owned < 8 {
		t.Errorf("the node that is back owns %d of 20", h.Owned)
	}
}

// A node that is in the plan may be removed before the next plan is made.
func TestAPlanOfANodeThatIsGoneIsNotCarriedOut(t *testing.T) {
	w := busyWorld(t)
	w.join(3)
	w.look()
	w.look() // 200 of 500 copies are wanted, the others are planned
	if len(w.c.term.Load().agenda.plan) == 0 {
		t.Fatal("nothing is planned")
	}
	w.alive[id(3)] = false
	w.apply(&command.SetNodeState{Id: id(3), State: command.NodeState_NODE_STATE_DOWN})
	w.apply(&command.RemoveNode{Id: id(3)})
	delete(w.alive, id(3))
	w.tired()
	w.look()
	w.look()
	w.c.term.Load().agenda.took = 0
	w.settle()
	for _, r := range w.rows() {
		if len(r.Copies) != 2 {
			t.Fatalf("%+v", r)
		}
	}
}

// Now and then everything is planned though nothing calls for it.
func TestEverythingIsPlannedNowAndThen(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.add(3)
	w.settle()
	planned := w.c.term.Load().agenda.planned
	w.look()
	if w.c.term.Load().agenda.planned != planned {
		t.Error("it is planned at each look")
	}
	w.c.term.Load().agenda.planned = planned.Add(-planEvery)
	w.look()
	if !w.c.term.Load().agenda.planned.After(planned) {
		t.Error("it is not planned after ten minutes")
	}
	w.c.term.Load().agenda.took, w.c.term.Load().agenda.due = time.Hour, true
	if w.c.term.Load().agenda.planNow(w.c.term.Load().agenda.planned.Add(time.Minute)) || !w.c.term.Load().agenda.planNow(w.c.term.Load().agenda.planned.Add(lookShare*time.Hour)) {
		t.Error("a plan that takes long is made all the time, or never")
	}
	var rows []*fsm.Repo
	if rows = w.c.term.Load().agenda.next(w.state.View()); len(rows) != 0 {
		t.Errorf("%d rows are to be looked at, and nothing has changed", len(rows))
	}
}
