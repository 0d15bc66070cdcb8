package agent

import (
	"testing"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror"
	"gitmirror/mirror/store"
)

// removedWorld has a row whose copies are ready, and which was removed.
func removedWorld(t *testing.T) (*world, mirror.Status) {
	w := newWorld(t, "one")
	w.do(&command.RaiseFormat{Format: 7})
	w.do(&command.Publish{Repo: "one", Node: "a", Epoch: 1, Generation: 1, Candidate: "c", Digest: make([]byte, 20), RefsDigest: make([]byte, 20)})
	has := mirror.Status{Generation: 1}
	w.disk.status["one"] = has
	w.do(&command.RemoveRepos{Ids: []string{"one"}})
	return w, has
}

// What is back is taken from the trash before it is worked on, and nothing is said of it
// before that: it is neither broken nor gone.
func TestWhatIsRestoredIsTakenFromTheTrashFirst(t *testing.T) {
	w, has := removedWorld(t)
	as := w.agent.newAssignments()
	if got := w.follow(as); len(got) != 1 {
		t.Fatalf("%v begin to leave", got)
	}
	delete(w.disk.status, "one")
	w.disk.trash = map[string]mirror.Status{"one": has}
	delete(w.agent.removing, "one")
	msg, _ := w.agent.batch([]string{"one"})
	w.do(msg) // it is gone
	w.do(&command.RestoreRepos{Ids: []string{"one"}})
	if msg, _ := w.agent.batch([]string{"one"}); len(msg.Copies) != 0 {
		t.Errorf("before it is back it is told: %v", msg)
	}
	w.follow(as)
	if _, back := w.disk.Status("one"); !back || w.disk.assigned["one"].ID != "one" || w.disk.assigned["one"].Generation != 1 {
		t.Errorf("it is not back, or not worked on: %+v", w.disk)
	}
	if msg, _ := w.agent.batch([]string{"one"}); len(msg.Copies) != 0 {
		t.Errorf("as it is back it is told: %v", msg)
	}
}

// A removal that is under way ends first.
func TestWhatIsRestoredWaitsForItsRemoval(t *testing.T) {
	w, has := removedWorld(t)
	as := w.agent.newAssignments()
	w.follow(as) // the removal begins
	w.do(&command.RestoreRepos{Ids: []string{"one"}})
	w.follow(as)
	if w.disk.assigned["one"].ID != "" {
		t.Fatal("it is worked on while it is thrown away")
	}
	delete(w.disk.status, "one")
	if msg, _ := w.agent.batch([]string{"one"}); len(msg.Copies) != 0 {
		t.Errorf("while it is thrown away it is told: %v", msg)
	}
	as.compare(w.state.View())
	if n := w.agent.Mended(); n != 0 {
		t.Errorf("%d assignments were mended", n)
	}
	w.disk.trash = map[string]mirror.Status{"one": has}
	w.agent.remove(t.Context(), "one")
	select {
	case <-w.agent.thrown:
		as.giveWanted(w.state.View())
	default:
		t.Error("nobody is told that the removal has ended")
	}
	if _, back := w.disk.Status("one"); !back || w.disk.assigned["one"].ID != "one" {
		t.Errorf("it is not back: %+v", w.disk)
	}
}

// What can be restored by the table's word is in the trash of nodes as long.
func TestCopiesAreInTheTrashAsLongAsTheirRow(t *testing.T) {
	if store.TrashAfter < fsm.TrashedFor {
		t.Errorf("copies go after %s, rows after %s", store.TrashAfter, fsm.TrashedFor)
	}
}

// What was not said to be here is not taken from the trash: it is of another day.
func TestOnlyWhatWasReadyIsTakenFromTheTrash(t *testing.T) {
	w := newWorld(t, "one")
	w.disk.trash = map[string]mirror.Status{"one": {Generation: 1}}
	w.follow(w.agent.newAssignments())
	if _, back := w.disk.Status("one"); back {
		t.Error("a copy that is to be made was taken from the trash")
	}
}
