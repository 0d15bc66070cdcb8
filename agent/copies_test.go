package agent

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

func (w *world) holds(id string, s mirror.Status) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	w.disk.status[id] = s
}

// A copy goes only when its row says that it leaves this node: not because a row
// is missing, and not because the copy of another node leaves.
func TestOnlyLeavingCopiesAreRemoved(t *testing.T) {
	w := newWorld(t, "kept", "leaving")
	for _, id := range []string{"kept", "leaving", "unknown"} {
		w.holds(id, mirror.Status{Generation: 1})
	}
	w.publish("leaving")
	w.ready("b", "leaving")
	w.publish("kept")
	w.ready("b", "kept")
	w.ready("c", "kept")
	w.do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "leaving", Epoch: w.row("leaving").Epoch, Owner: "b"}}})
	w.do(&command.Place{Rows: []*command.Placement{
		{Repo: "leaving", RowVersion: w.row("leaving").Version, Leave: []string{"a"}},
		{Repo: "kept", RowVersion: w.row("kept").Version, Leave: []string{"c"}},
	}})
	if got := w.follow(w.agent.newAssignments()); !slices.Equal(got, []string{"leaving"}) {
		t.Errorf("removed: %v, want the one that leaves", got)
	}
	if assigned := slices.Collect(maps.Keys(w.disk.assigned)); !slices.Equal(assigned, []string{"kept"}) {
		t.Errorf("assigned: %v, want what stays", assigned)
	}
}

// What the row says of the published generation reaches the mirror, so that it
// can do without the table.
func TestAssignmentsCarryWhatIsKnown(t *testing.T) {
	w := newWorld(t, "repo")
	w.publish("repo")
	c := w.candidate("repo")
	c.Complete, c.Refs, c.PublicDigest, c.Digest = false, 7, refs.Digest{1}, refs.Digest{2}
	c.Base = mirror.Generation{Number: 1, Digest: refs.Digest{3}}
	c.Changes = []refs.Change{{Ref: "refs/heads/main", New: "a", Kind: refs.Created}}
	if o, err := w.agent.Publish(t.Context(), c); o != mirror.Committed {
		t.Fatal(err)
	}
	w.follow(w.agent.newAssignments())
	a := w.disk.assigned["repo"]
	if a.Refs != 7 || a.PublicDigest != c.PublicDigest || a.Digest != c.Digest || a.Head != c.Head || a.Base != c.Base || a.Role != mirror.Owner {
		t.Errorf("assigned %+v", a)
	}
	if len(a.Lost) != 1 || a.Lost[0].Number != 1 {
		t.Errorf("lost: %v, want generation 1, which was not all there", a.Lost)
	}
	if changes, ok := w.agent.Logged("repo"); !ok || len(changes) != 1 || changes[0].Ref != "refs/heads/main" {
		t.Errorf("logged: %v, %v", changes, ok)
	}
}

// A ready copy that is not there any more is reported, or nobody heals it.
func TestALostCopyIsReported(t *testing.T) {
	w := newWorld(t, "repo")
	w.publish("repo")
	r := w.row("repo")
	cp, _ := r.Copy(1)
	for name, s := range map[string]mirror.Status{"gone": {}, "damaged": {Generation: 1, Broken: true}} {
		if got := copyReport(r, cp, s, true); got == nil || got.State != command.CopyState_COPY_STATE_BROKEN {
			t.Errorf("%s: reported as %v", name, got)
		}
	}
	cp.State = fsm.CopyBroken
	if got := copyReport(r, cp, mirror.Status{}, true); got != nil {
		t.Errorf("reported again: %v", got)
	}
}

// What has left this node's rows is not worked on any more, and nothing of it is
// deleted.
func TestRowsThatAreGoneAreUnassigned(t *testing.T) {
	w := newWorld(t, "kept", "gone")
	w.holds("gone", mirror.Status{Generation: 1})
	given := w.agent.newAssignments()
	w.follow(given)
	w.do(&command.RemoveRepos{Ids: []string{"gone"}})
	w.do(&command.Report{Node: "a", Copies: []*command.CopyReport{{Repo: "gone", State: command.CopyState_COPY_STATE_LEAVING, Gone: true}}})
	w.follow(given)
	if _, ok := w.agent.Assignment("gone"); ok {
		t.Error("what is gone is assigned")
	}
	if a, ok := w.agent.Assignment("kept"); !ok || !reflect.DeepEqual(a, w.disk.assigned["kept"]) {
		t.Errorf("a run would read %+v", a)
	}
	if len(w.disk.assigned) != 1 || w.disk.assigned["kept"].ID == "" || len(w.disk.removed) > 0 {
		t.Errorf("assigned %v, removed %v", w.disk.assigned, w.disk.removed)
	}
}
