package coordinator

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

func (w *world) disk(n int, class string) {
	w.apply(&command.Report{Node: id(n), Condition: &command.NodeCondition{Disk: class, DiskMessage: "by decree"}})
}

func (w *world) owned(n int) int {
	num, owned := w.state.View().NodeByID(id(n)).Num, 0
	for _, r := range w.rows() {
		if r.Owner == num {
			owned++
		}
	}
	return owned
}

// A node that cannot write gives its repos to those that can, keeps its copies,
// and gets repos again when it has been well for a while.
func TestAnOwnerThatCannotWriteMovesItsRepos(t *testing.T) {
	for _, class := range []string{fsm.DiskFull, fsm.DiskFailing} {
		t.Run(class, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				w.settle()
				w.add(30)
				w.settle()
				if w.owned(2) == 0 {
					t.Fatal("nothing is tested")
				}
				held := w.state.View().NodeByID(id(2)).Num
				copies := func() (n int) {
					for _, r := range w.rows() {
						if cp, ok := r.Copy(held); ok && cp.State == fsm.CopyReady {
							n++
						}
					}
					return n
				}
				before := copies()
				w.disk(2, class)
				w.settle()
				if got := w.owned(2); got != 0 {
					t.Errorf("it still owns %d", got)
				}
				if got := copies(); got != before {
					t.Errorf("it has %d copies, had %d", got, before)
				}
				w.disk(2, "")
				time.Sleep(9 * time.Minute)
				w.settle()
				if got := w.owned(2); got != 0 {
					t.Errorf("it owns %d again within ten minutes", got)
				}
				time.Sleep(2 * time.Minute)
				w.settle()
				if w.owned(2) == 0 {
					t.Error("it owns nothing, though it has been well for ten minutes")
				}
			})
		})
	}
}

func TestADiskThatIsLowGetsNoNewCopies(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.disk(2, fsm.DiskLow)
	w.add(12)
	w.settle()
	num := w.state.View().NodeByID(id(2)).Num
	for _, r := range w.rows() {
		if _, ok := r.Copy(num); ok {
			t.Errorf("%s got a copy on a disk that takes none", r.Name)
		}
		if len(r.Copies) != 2 {
			t.Errorf("%s has %d copies, two other nodes can hold it", r.Name, len(r.Copies))
		}
	}
	w.disk(2, "")
	w.settle()
	held := 0
	for _, r := range w.rows() {
		if _, ok := r.Copy(num); ok {
			held++
		}
	}
	if held == 0 {
		t.Error("it gets no copies once it is well")
	}
}

func TestAnOwnerStaysWhereNoOtherCanDoBetter(t *testing.T) {
	w := newWorld(t, 1)
	w.settle()
	w.add(3)
	w.settle()
	w.disk(1, fsm.DiskFull)
	w.settle()
	if got := w.owned(1); got != 3 {
		t.Errorf("it owns %d of 3", got)
	}
}

func TestASickNodeOwnsNothingAndLosesNothing(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	w.add(12)
	w.settle()
	num := w.state.View().NodeByID(id(3)).Num
	before := 0
	for _, r := range w.rows() {
		if _, ok := r.Copy(num); ok {
			before++
		}
	}
	w.apply(&command.Report{Node: id(3), Condition: &command.NodeCondition{Sick: "four copies broke"}})
	w.settle()
	after := 0
	for _, r := range w.rows() {
		if cp, ok := r.Copy(num); ok && cp.State == fsm.CopyReady {
			after++
		}
	}
	if w.owned(3) != 0 || after != before || before == 0 {
		t.Errorf("it owns %d, and holds %d of %d copies", w.owned(3), after, before)
	}
	w.apply(&command.Report{Node: id(3), Condition: &command.NodeCondition{}})
	w.settle()
	if got := w.owned(3); got != 0 {
		t.Errorf("it owns %d as soon as it is well", got)
	}
}

// A repo that its owner alone cannot write moves, though the node is well as a
// whole; and not again within ten minutes.
func TestARepoThatItsOwnerCannotWriteMovesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.settle()
		w.add(1)
		w.settle()
		row := func() *fsm.Repo { return w.rows()[0] }
		fail := func() {
			w.apply(&command.Report{Node: w.state.View().Node(row().Owner).ID, Health: []*command.HealthReport{{Repo: row().ID, Epoch: row().Epoch, ErrorClass: "disk"}}})
		}
		first := row().Owner
		fail()
		w.fails = errors.New("no leader")
		if w.c.reconcile(t.Context()) == nil || row().Owner != first {
			t.Fatal("nothing is tested")
		}
		w.settle() // what was not done counts for nothing
		second := row().Owner
		if second == first {
			t.Fatal("it stays with the owner that cannot write it")
		}
		fail()
		w.settle()
		if row().Owner != second {
			t.Error("it moved again at once")
		}
		time.Sleep(ownAgainAfter + time.Second)
		w.look()
		if row().Owner == second {
			t.Error("it does not move again after ten minutes")
		}
	})
}
