package agent

import (
	"context"
	"slices"
	"testing"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/mirror"
)

func (w *world) publish(id string) {
	w.t.Helper()
	c := w.candidate(id)
	if o, err := w.agent.Publish(w.t.Context(), c); o != mirror.Committed {
		w.t.Fatalf("publish %s: %v, %v", id, o, err)
	}
}

func (w *world) ready(node, repo string) {
	w.do(&command.Report{Node: node, Copies: []*command.CopyReport{{Repo: repo, State: command.CopyState_COPY_STATE_READY, Generation: w.row(repo).Generation}}})
}

func (w *world) down(nodes ...string) {
	for _, n := range nodes {
		w.do(&command.SetNodeState{Id: n, State: command.NodeState_NODE_STATE_DOWN})
	}
}

// A node that stops waits for a second copy of what only it has, as long as
// there is somebody to take it.
func TestAwaitCopies(t *testing.T) {
	now, cancel := context.WithCancel(t.Context())
	cancel()
	w := newWorld(t, "one", "two")
	if alone := w.agent.AwaitCopies(now); len(alone) != 0 {
		t.Errorf("nothing was published, and it waits for %v", alone)
	}
	w.publish("one")
	w.publish("two")
	w.ready("b", "one")
	if alone := w.agent.AwaitCopies(now); !slices.Equal(alone, []string{"two"}) {
		t.Errorf("it waits for %v, want two: one is on b", alone)
	}
	w.publish("one")
	if alone := w.agent.AwaitCopies(now); !slices.Equal(alone, []string{"one", "two"}) {
		t.Errorf("it waits for %v, want both: b has an older generation of one", alone)
	}
	bound, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan []string)
	go func() { done <- w.agent.AwaitCopies(bound) }()
	w.ready("b", "one")
	w.ready("c", "two")
	if alone := <-done; len(alone) != 0 {
		t.Errorf("both have a second copy, and it waited for %v", alone)
	}
	w.publish("one")
	for _, c := range []*command.NodeCondition{{Sick: "sick"}, {Disk: "full"}, {Disk: "failing"}} {
		w.do(&command.Report{Node: "b", Condition: c})
		w.do(&command.Report{Node: "c", Condition: c})
		if alone := w.agent.AwaitCopies(now); len(alone) != 0 {
			t.Errorf("it waits for %v, and nobody can take it: %v", alone, c)
		}
	}
	w.do(&command.Report{Node: "b", Condition: &command.NodeCondition{Disk: "low"}})
	w.do(&command.Report{Node: "c", Condition: &command.NodeCondition{}})
	if alone := w.agent.AwaitCopies(now); !slices.Equal(alone, []string{"one"}) {
		t.Errorf("it waits for %v, want one", alone)
	}
	w.down("b", "c")
	went := time.Now()
	for i, after := range []time.Duration{0, takerPatience - time.Second, takerPatience + time.Second} {
		if alone := w.agent.alone(went.Add(after)); (len(alone) == 1) != (i < 2) {
			t.Errorf("%s after the others went down it waits for %v", after, alone)
		}
	}
}
