package agent

import (
	"testing"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/mirror"
)

func names(h mirror.Holders) (live, expected string) {
	for _, s := range h.Live {
		live += s.Name()
	}
	for _, x := range h.Expected {
		expected += x.Name
	}
	return live, expected
}

// A holder that is down is expected back for as long as its copy is not
// replaced, by this process's own clock; one that was removed is not.
func TestHoldersThatAreExpected(t *testing.T) {
	w := newWorld(t, "repo")
	w.publish("repo")
	w.ready("b", "repo")
	w.ready("c", "repo")
	if live, expected := names(w.agent.For("repo")); live != "bc" || expected != "" {
		t.Errorf("all live: live %q, expected %q", live, expected)
	}
	w.down("b")
	began := time.Now()
	w.agent.watchNodes(w.state.View(), began)
	if live, expected := names(w.agent.For("repo")); live != "c" || expected != "b" {
		t.Errorf("b is down: live %q, expected %q", live, expected)
	}
	w.agent.down[2] = outage{w.agent.down[2].since, began.Add(-10 * time.Minute)}
	w.agent.watchNodes(w.state.View(), began)
	if live, expected := names(w.agent.For("repo")); live != "c" || expected != "" {
		t.Errorf("b has been down for long: live %q, expected %q", live, expected)
	}
	w.down("c")
	w.do(&command.RemoveNode{Id: "c"})
	if live, expected := names(w.agent.For("repo")); live != "" || expected != "" {
		t.Errorf("c was removed: live %q, expected %q", live, expected)
	}
}

// The mirror hears of each node that comes back, once: it may have what is lost elsewhere.
func TestTheMirrorHearsOfNodesThatReturn(t *testing.T) {
	w := newWorld(t, "repo")
	as := w.agent.newAssignments()
	as.follow(w.state.View())
	w.down("b")
	as.follow(w.state.View())
	if n := w.disk.returned(); n != 0 {
		t.Fatalf("heard of %d nodes before one came back", n)
	}
	w.do(&command.SetNodeState{Id: "b", State: command.NodeState_NODE_STATE_UP})
	for range 2 {
		as.follow(w.state.View())
	}
	if n := w.disk.returned(); n != 1 {
		t.Errorf("heard %d times of one node that came back", n)
	}
}

// A copy that is broken is nothing to copy from, nor to wait for.
func TestBrokenCopiesAreNoHolders(t *testing.T) {
	w := newWorld(t, "repo")
	w.publish("repo")
	w.ready("b", "repo")
	w.do(&command.Report{Node: "b", Copies: []*command.CopyReport{{Repo: "repo", State: command.CopyState_COPY_STATE_BROKEN}}})
	if live, expected := names(w.agent.For("repo")); live != "" || expected != "" {
		t.Errorf("live %q, expected %q", live, expected)
	}
}
