package coordinator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// modern has the cluster at the newest format.
func (w *world) modern() *world {
	w.settle()
	if got := w.state.View().Format(); got != fsm.Format {
		w.t.Fatalf("format %d", got)
	}
	return w
}

func (w *world) drain(n int) {
	w.t.Helper()
	if err := w.c.Drain(context.Background(), id(n), fmt.Sprintf("drain-%d", w.index)); err != nil {
		w.t.Fatal(err)
	}
}

// held is how many copies a node has that are to stay, and how many repos it owns.
func (w *world) held(n int) fsm.Holding {
	return w.state.View().Holding(w.state.View().NodeByID(id(n)).Num)
}

func TestADrainedNodeHasNothingAndGetsNothing(t *testing.T) {
	w := newWorld(t, 4).modern()
	w.add(40)
	w.settle()
	if h := w.held(2); h.Copies == 0 || h.Owned == 0 {
		t.Fatalf("it has %+v to begin with", h)
	}
	w.drain(2)
	w.add(20) // at once: new repos are placed on a board of before
	for _, r := range w.rows() {
		if _, on := r.Copy(w.state.View().NodeByID(id(2)).Num); on && r.Generation == 0 {
			t.Errorf("%s is new, and placed on it", r.Name)
		}
	}
	w.settle()
	if h := w.held(2); h != (fsm.Holding{}) {
		t.Errorf("it still has %+v", h)
	}
	for _, r := range w.rows() {
		if ready := w.ready()[r.ID]; ready != 2 || len(r.Copies) != 2 {
			t.Errorf("%s has %d ready copies: %+v", r.Name, ready, r.Copies)
		}
	}
	// It stays so, whatever comes and goes, until it is told otherwise.
	w.alive[id(2)] = false
	w.settle()
	w.alive[id(2)] = true
	w.join(5)
	w.settle()
	if h := w.held(2); h != (fsm.Holding{}) {
		t.Errorf("after it went and came back it has %+v", h)
	}
	if err := w.c.Undrain(context.Background(), id(2), "undrain"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if h := w.held(2); h.Copies < 15 { // it gets repos to own with the next plan
		t.Errorf("it has %+v of 120 copies when it is not draining any more", h)
	}
}

// No copy leaves before its equal is where clients get it.
func TestACopyLeavesADrainingNodeWhenItsEqualIsServed(t *testing.T) {
	w := newWorld(t, 4).modern()
	w.add(12)
	w.settle()
	w.drain(2)
	node := w.state.View().NodeByID(id(2))
	for range 30 {
		w.look()
		view := w.state.View()
		for _, r := range w.rows() {
			served := 0
			for _, cp := range r.Copies {
				if cp.State == fsm.CopyReady && cp.Generation == r.Generation && view.Node(cp.Node).Serves() {
					served++
				}
			}
			if cp, ok := r.Copy(node.Num); ok && cp.State == fsm.CopyLeaving && served < 2 {
				t.Errorf("the copy of %s leaves while %d are served: %+v", r.Name, served, r.Copies)
			}
		}
		if w.held(2).Copies == 6 { // in the middle of it
			w.alive[id(3)] = false
		}
		w.work()
	}
}

// What a draining node that is down has is made anew at once, from others.
func TestNobodyWaitsForADrainingNode(t *testing.T) {
	w := newWorld(t, 4).modern()
	w.add(20)
	w.settle()
	w.drain(2)
	w.alive[id(2)] = false
	w.settle()
	if h := w.held(2); h.Copies != 0 || h.Owned != 0 {
		t.Errorf("it still counts for %+v", h)
	}
	for _, r := range w.rows() {
		if ready := w.ready()[r.ID]; ready != 2 {
			t.Errorf("%s has %d ready copies on nodes that live: %+v", r.Name, ready, r.Copies)
		}
	}
}

// The only copy of something stays where it is, though its node is draining and down.
func TestALoneCopyOnADrainingNodeStays(t *testing.T) {
	w := newWorld(t, 3).modern()
	w.add(9)
	for range 2 { // the owners have cloned, nobody has copied
		w.look()
		for _, r := range w.rows() {
			if r.Generation == 0 {
				w.publish(r)
			}
		}
	}
	w.drain(2)
	w.alive[id(2)] = false
	w.look()
	w.look()
	node := w.state.View().NodeByID(id(2))
	lone := 0
	for _, r := range w.rows() {
		if cp, ok := r.Copy(node.Num); ok && cp.State == fsm.CopyReady {
			lone++
		} else if ok && cp.Generation > 0 {
			t.Errorf("the only copy of %s is %s", r.Name, cp.State)
		}
	}
	if lone == 0 {
		t.Error("no copy was alone on it")
	}
}

// A first clone that does not come to an end is no reason for a drain not to.
func TestAFirstCloneMovesFromADrainingNode(t *testing.T) {
	w := newWorld(t, 3).modern()
	w.add(9)
	w.look()
	w.drain(2)
	w.look()
	w.look()
	for _, r := range w.rows() {
		if r.Owner == w.state.View().NodeByID(id(2)).Num {
			t.Errorf("%s is still to be cloned by it", r.Name)
		}
	}
}

func TestADrainThatCannotEndIsRefused(t *testing.T) {
	w := newWorld(t, 2).modern()
	w.add(12)
	w.settle()
	before := w.proposals
	err := w.c.Drain(context.Background(), id(2), "k")
	for _, want := range []string{"n2", "12 repositories", "1 more", "(2 copies, 1 nodes)", "and 2 more"} {
		if !errors.Is(err, refusal.DrainImpossible) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if w.proposals != before || w.state.View().NodeByID(id(2)).Draining() {
		t.Error("what was refused was proposed")
	}
	if err := w.c.Drain(context.Background(), id(9), "k"); !errors.Is(err, refusal.NotFound) {
		t.Errorf("of a node that is not there: %v", err)
	}
	w.join(3)
	w.settle()
	w.drain(2)
	w.drain(2) // again
	// Of three, one may drain at a time; who is down or draining takes nothing.
	if err := w.c.Drain(context.Background(), id(1), "k1"); !errors.Is(err, refusal.DrainImpossible) || !strings.Contains(err.Error(), "n2 is draining") {
		t.Errorf("the second of three: %v", err)
	}
	w.join(4)
	w.alive[id(4)] = false
	w.settle()
	if err := w.c.Drain(context.Background(), id(1), "k2"); !errors.Is(err, refusal.DrainImpossible) || !strings.Contains(err.Error(), "n4 is down") {
		t.Errorf("with one that is down: %v", err)
	}
}

// A node that takes nothing new may keep what it has: its copy counts.
func TestACopyOnAFullNodeCountsForADrain(t *testing.T) {
	w := newWorld(t, 2).modern()
	w.add(3)
	w.settle()
	w.apply(&command.Report{Node: id(1), Condition: &command.NodeCondition{Disk: fsm.DiskLow}})
	w.join(3)
	w.look()
	w.drain(2)
	w.settle()
	if h := w.held(2); h.Copies != 0 {
		t.Errorf("it still has %+v", h)
	}
}

func TestTheVoteOfADrainingNodeGoesToASpare(t *testing.T) {
	w := newWorld(t, 4).modern()
	voter := w.voterBut(1)
	w.drain(voter)
	w.settle()
	if w.server(id(voter)).Voter || w.voters() != 3 {
		t.Errorf("%d voters, n%d votes: %t", w.voters(), voter, w.server(id(voter)).Voter)
	}
	// Where nobody is spare it keeps its vote: it is as good as before.
	w = newWorld(t, 3).modern()
	w.drain(2)
	w.settle()
	if !w.server(id(2)).Voter || w.voters() != 3 {
		t.Errorf("of three nodes %d vote, the draining one: %t", w.voters(), w.server(id(2)).Voter)
	}
}

// voterBut is the number of a node that votes, and is not that one.
func (w *world) voterBut(n int) int {
	for i := 1; i <= len(w.servers); i++ {
		if s := w.server(id(i)); i != n && s != nil && s.Voter {
			return i
		}
	}
	w.t.Fatal("nobody else votes")
	return 0
}

func TestALeaderThatIsDrainingHandsOver(t *testing.T) {
	for _, nodes := range []int{2, 3, 4} {
		w := newWorld(t, nodes).modern()
		w.drain(1)
		w.look()
		w.look()
		if w.handedTo == "" || w.handedTo == id(1) {
			t.Errorf("of %d nodes leadership went to %q", nodes, w.handedTo)
		}
	}
	// To nobody that is draining, or down.
	w := newWorld(t, 3).modern()
	for n := 1; n <= 3; n++ {
		w.drain(n)
	}
	w.look()
	w.alive[id(2)] = false
	w.look()
	if w.handedTo != "" {
		t.Errorf("leadership went to %s", w.handedTo)
	}
}

// Of two that are draining neither is better than the other: votes do not go to and fro.
func TestAVoteDoesNotGoToWhoIsDrainingToo(t *testing.T) {
	w := newWorld(t, 4).modern()
	for n := 2; n <= 4; n++ {
		w.drain(n)
	}
	before := w.promotions
	w.look()
	w.look()
	if w.promotions != before {
		t.Errorf("%d votes were given", w.promotions-before)
	}
}

func TestLeadershipGoesToWhoCanLead(t *testing.T) {
	w := newWorld(t, 4).modern()
	ctx := context.Background()
	var spare int
	for n := 2; n <= 4; n++ {
		if !w.server(id(n)).Voter {
			spare = n
		}
	}
	voters := []int{w.voterBut(1)}
	for n := 2; n <= 4; n++ {
		if n != spare && n != voters[0] {
			voters = append(voters, n)
		}
	}
	w.alive[id(voters[0])] = false
	w.look()
	for n, want := range map[int]string{spare: "has no vote", voters[0]: "is down"} {
		if err := w.c.Transfer(ctx, id(n)); !errors.Is(err, refusal.CannotLead) || !strings.Contains(err.Error(), want) {
			t.Errorf("to n%d: %v, want %q", n, err, want)
		}
	}
	if err := w.c.Transfer(ctx, id(9)); !errors.Is(err, refusal.NotFound) {
		t.Errorf("to one that is not there: %v", err)
	}
	if err := w.c.Transfer(ctx, id(1)); err != nil || w.handedTo != "" {
		t.Errorf("to who leads: %v, it went to %q", err, w.handedTo)
	}
	if err := w.c.Transfer(ctx, ""); err != nil || w.handedTo != id(voters[1]) {
		t.Errorf("to any: %v, it went to %q, want n%d", err, w.handedTo, voters[1])
	}
	w.apply(&command.SetNodeState{Id: id(voters[1]), State: command.NodeState_NODE_STATE_DOWN}) // raft has heard from it a moment ago
	if err := w.c.Transfer(ctx, id(voters[1])); !errors.Is(err, refusal.CannotLead) {
		t.Errorf("to one that has just died: %v", err)
	}
	w.look()
	w.lagging = map[string]bool{id(voters[1]): true}
	if err := w.c.Transfer(ctx, id(voters[1])); !errors.Is(err, refusal.CannotLead) || !strings.Contains(err.Error(), "caught up") {
		t.Errorf("to one that lags: %v", err)
	}
	if err := w.c.Transfer(ctx, ""); !errors.Is(err, refusal.CannotLead) {
		t.Errorf("to nobody: %v", err)
	}
}

// The table has the name of the present incarnation, where it had one of those before.
func TestTheTableOfARecoveredClusterIsNamedAnew(t *testing.T) {
	w := newWorld(t, 1).modern()
	w.c.cfg.ClusterID = "next"
	w.look()
	if got := w.state.View().ClusterID(); got != "c" {
		t.Errorf("a cluster that was not recovered is called %s", got)
	}
	w.c.cfg.Former = []string{"b", "c"}
	w.look()
	if got := w.state.View().ClusterID(); got != "next" {
		t.Errorf("it is called %s", got)
	}
}
