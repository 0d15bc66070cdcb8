package coordinator

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// engine has a node say whether it has git.
func (w *world) engine(n int, git bool) {
	version := "1"
	if !git {
		version += fsm.WithoutGit
	}
	w.apply(&command.PutNode{Node: &command.Node{Id: id(n), Name: fmt.Sprintf("n%d", n), Peer: fmt.Sprintf("h%d:1", n), Format: fsm.Format, Version: version}})
}

// unserved counts the rows of which no copy is ready on a node that has git.
func (w *world) unserved() (n int) {
	view := w.state.View()
	for _, r := range w.rows() {
		served := false
		for _, cp := range r.Copies {
			served = served || cp.State == fsm.CopyReady && view.Node(cp.Node).HasGit()
		}
		if !served {
			n++
		}
	}
	return n
}

// Of each repository one copy at least is where clients get it, when it is added, and after a node is found to
// have no git: then another is made first, and the one that is of no use goes.
func TestOneCopyIsWhereGitIs(t *testing.T) {
	w := newWorld(t, 3)
	w.engine(2, false)
	for _, replicas := range []int{1, 2} {
		repos := make([]NewRepo, 30)
		for i := range repos {
			repos[i] = NewRepo{URLs: []string{fmt.Sprintf("https://example.org/%d/%d", replicas, i)}}
			repos[i].Policy.Replicas = replicas
		}
		if _, err := w.c.Add(t.Context(), repos, fmt.Sprint("add", replicas)); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	if n := w.unserved(); n > 0 {
		t.Errorf("%d repositories are where clients do not get them", n)
	}
	w.engine(3, false)
	w.settle()
	if n := w.unserved(); n > 0 {
		t.Errorf("%d repositories are where clients do not get them, now that there is git on one node alone", n)
	}
	for _, r := range w.rows() {
		if len(r.Copies) != r.Policy.Replicas {
			t.Errorf("%s has %d copies, wants %d", r.Name, len(r.Copies), r.Policy.Replicas)
		}
	}
	w.engine(2, true)
	w.engine(3, true)
	w.settle()
	if n := w.unserved(); n > 0 {
		t.Errorf("%d repositories are where clients do not get them", n)
	}
}

// The last node that has git keeps what clients get from nobody else: to drain it is refused, until another
// has git, or has a copy that it may keep.
func TestTheLastNodeWithGitIsNotDrained(t *testing.T) {
	w := newWorld(t, 4).modern()
	w.add(12)
	w.settle()
	for _, n := range []int{2, 3, 4} {
		w.engine(n, false)
	}
	w.settle()
	before := w.proposals
	err := w.c.Drain(t.Context(), id(1), "k")
	for _, want := range []string{"no other node", "has git", "12 repositories", "and 2 more"} {
		if !errors.Is(err, refusal.DrainImpossible) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if w.proposals != before {
		t.Error("what was refused was proposed")
	}
	w.drain(2) // which has none, and whose going changes nothing for clients
	w.settle()
	if n := w.unserved(); n > 0 {
		t.Errorf("%d repositories are where clients do not get them", n)
	}
	w.engine(3, true)
	w.alive[id(3)] = false
	w.settle()
	if err := w.c.Drain(t.Context(), id(1), "k2"); !errors.Is(err, refusal.DrainImpossible) {
		t.Errorf("while the other that has git is down: %v", err)
	}
	w.alive[id(3)] = true
	w.join(5)
	w.settle()
	w.drain(1)
	w.settle()
	if h := w.held(1); h.Copies != 0 || w.unserved() > 0 {
		t.Errorf("it has %+v, and %d are where clients do not get them", h, w.unserved())
	}
}
