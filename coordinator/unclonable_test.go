package coordinator

import (
	"fmt"
	"testing"
	"time"

	"gitmirror/fsm"
)

// Upstreams that are dead since before their first copy keep nobody else's copies from being made:
// what they want of a node is wanted for ever.
func TestWhatIsNeverClonedHoldsUpNobody(t *testing.T) {
	w := newWorld(t, 4)
	w.add(1)
	w.settle()
	good := w.rows()[0].ID
	w.add(500) // none of them is ever cloned
	for range 5 {
		w.look()
	}
	copies := w.state.View().Repo(good).Copies
	dead := w.state.View().Node(copies[0].Node)
	if dead.ID == id(1) { // which leads
		dead = w.state.View().Node(copies[1].Node)
	}
	w.alive[dead.ID] = false
	w.look()
	w.later(11 * time.Minute) // longer than ReplaceAfter
	for range 5 {
		w.look()
	}
	live := 0
	r := w.state.View().Repo(good)
	for _, cp := range r.Copies {
		if n := w.state.View().Node(cp.Node); w.alive[n.ID] && cp.State != fsm.CopyLeaving {
			live++
		}
	}
	if live < 2 {
		var wanted []string
		for _, n := range w.state.View().Nodes() {
			wanted = append(wanted, fmt.Sprint(n.Name, " ", w.state.View().Holding(n.Num).Wanted))
		}
		t.Errorf("%d live copies are there or wanted of a repository of which one was lost; wanted are %v", live, wanted)
	}
}
