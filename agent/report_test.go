package agent

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
)

// What the table is told of a copy, given what it has and what the disk holds.
func TestWhatIsReportedOfACopy(t *testing.T) {
	row := &fsm.Repo{ID: "r", Generation: 3, Digest: fsm.Digest{3}}
	has := func(generation uint64) mirror.Status {
		return mirror.Status{Generation: generation, Digest: [20]byte{byte(generation)}}
	}
	prepared := func(generation uint64, f *failure.Error) mirror.Status {
		return mirror.Status{Prepared: mirror.Prepared{Generation: generation, Digest: [20]byte{byte(generation)}}, Failure: f}
	}
	for _, c := range []struct {
		name   string
		table  fsm.Copy
		disk   mirror.Status
		held   bool
		report string // empty: nothing
	}{
		{"nothing yet of a wanted copy", fsm.Copy{State: fsm.CopyWanted}, mirror.Status{}, false, ""},
		{"a wanted copy is there", fsm.Copy{State: fsm.CopyWanted}, has(3), true, "READY 3"},
		{"a wanted copy is still behind", fsm.Copy{State: fsm.CopyWanted}, has(2), true, ""},
		{"what is known already", fsm.Copy{State: fsm.CopyReady, Generation: 3}, has(3), true, ""},
		{"it has followed", fsm.Copy{State: fsm.CopyReady, Generation: 2}, has(3), true, "READY 3"},
		{"it has fallen back", fsm.Copy{State: fsm.CopyReady, Generation: 3}, has(2), true, "READY 2"},
		{"ahead of what was published", fsm.Copy{State: fsm.CopyReady, Generation: 3}, has(4), true, ""},
		{"another content under the number", fsm.Copy{State: fsm.CopyWanted}, mirror.Status{Generation: 3, Digest: [20]byte{9}}, true, ""},
		{"a ready copy is lost", fsm.Copy{State: fsm.CopyReady, Generation: 3}, mirror.Status{}, false, "BROKEN 0"},
		{"the first generation is published, and not shown yet", fsm.Copy{State: fsm.CopyReady, Generation: 3}, prepared(3, nil), true, ""},
		{"it cannot be shown", fsm.Copy{State: fsm.CopyReady, Generation: 3}, prepared(3, failure.New(failure.Disk, "full", nil)), true, "BROKEN 0"},
		{"what is prepared is something else", fsm.Copy{State: fsm.CopyReady, Generation: 3}, prepared(2, nil), true, "BROKEN 0"},
		{"a ready copy is damaged", fsm.Copy{State: fsm.CopyReady, Generation: 3}, mirror.Status{Generation: 3, Broken: true}, true, "BROKEN 0"},
		{"that it is broken is known", fsm.Copy{State: fsm.CopyBroken}, mirror.Status{Broken: true}, true, ""},
		{"a broken copy is whole again", fsm.Copy{State: fsm.CopyBroken}, has(3), true, "READY 3"},
		{"what is to leave is there", fsm.Copy{State: fsm.CopyLeaving, Generation: 3}, has(3), true, ""},
		{"what was to leave is gone", fsm.Copy{State: fsm.CopyLeaving, Generation: 3}, mirror.Status{}, false, "LEAVING 0 gone"},
	} {
		got := ""
		if r := copyReport(row, c.table, c.disk, c.held); r != nil {
			got = fmt.Sprint(strings.TrimPrefix(r.State.String(), "COPY_STATE_"), " ", r.Generation)
			if r.Gone {
				got += " gone"
			}
		}
		if got != c.report {
			t.Errorf("%s: reports %q, want %q", c.name, got, c.report)
		}
	}
}

// Only the log's word deletes a copy: a row that is gone, or that never had this
// node, removes nothing.
func TestOnlyWhatIsToLeaveIsRemoved(t *testing.T) {
	w := newWorld(t, "one", "two", "three")
	for _, id := range []string{"one", "two", "three", "stranger"} {
		w.disk.status[id] = mirror.Status{Generation: 1}
	}
	as := w.agent.newAssignments()
	pass := func() []string { return w.follow(as) }
	if got := pass(); len(got) != 0 {
		t.Errorf("%v begin to leave, and nothing was told to", got)
	}
	w.do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "one", Epoch: 1, Owner: "b"}}})
	for _, node := range []string{"a", "b", "c"} {
		w.do(&command.Publish{Repo: "two", Node: "a", Epoch: 1, Generation: 1, Candidate: "c", Digest: make([]byte, 20), RefsDigest: make([]byte, 20)})
		w.do(&command.Report{Node: node, Copies: []*command.CopyReport{{Repo: "two", State: command.CopyState_COPY_STATE_READY, Generation: 1}}})
	}
	w.do(&command.Place{Rows: []*command.Placement{{Repo: "one", RowVersion: w.row("one").Version, Leave: []string{"a"}}}})
	if got := pass(); len(got) != 1 || got[0] != "one" {
		t.Errorf("%v begin to leave, want one", got)
	}
	if len(w.disk.assigned) != 2 {
		t.Errorf("%d copies are worked on, want the other two", len(w.disk.assigned))
	}
	// A row that is gone altogether is no order to delete.
	delete(w.disk.status, "one")
	w.agent.removing = map[string]bool{}
	w.do(&command.RemoveNode{Id: "c"})
	if got := pass(); len(got) != 0 {
		t.Errorf("%v begin to leave", got)
	}
}

// A copy that waits for its readers to leave is not told to be gone, though it is out of
// service.
func TestACopyIsGoneWhenAllOfItIs(t *testing.T) {
	w := newWorld(t, "one")
	w.agent.removing["one"] = true
	w.do(&command.RemoveRepos{Ids: []string{"one"}})
	delete(w.disk.status, "one")
	if msg, _ := w.agent.batch([]string{"one"}); len(msg.Copies) != 0 {
		t.Errorf("told: %v", msg)
	}
	delete(w.agent.removing, "one")
	if msg, _ := w.agent.batch([]string{"one"}); len(msg.Copies) != 1 || !msg.Copies[0].Gone {
		t.Errorf("told: %v", msg)
	}
}

// However long names and messages are, a report fits into an entry, and what does
// not go into one goes into the next.
func TestReportsAreFilledBySize(t *testing.T) {
	var ids []string
	for i := range 400 {
		ids = append(ids, fmt.Sprintf("%s-%03d", strings.Repeat("r", 120), i))
	}
	w := newWorld(t, ids...)
	for _, id := range ids {
		w.disk.status[id] = mirror.Status{Checked: true, Failure: failure.New(failure.Network, strings.Repeat("m", 500), nil)}
		w.agent.Changed(id)
	}
	told, reports := map[string]bool{}, 0
	for ids := w.agent.takeDirty(); len(ids) > 0; {
		msg, looked := w.agent.batch(ids)
		ids = ids[looked:]
		if _, err := fsm.Encode(msg, "", time.Now()); err != nil {
			t.Fatalf("a report of %d bytes: %v", proto.Size(msg), err)
		}
		for _, h := range msg.Health {
			told[h.Repo] = true
		}
		reports++
	}
	if len(told) != len(ids) || reports < 2 {
		t.Errorf("%d of %d failures are told in %d reports", len(told), len(ids), reports)
	}
}

func TestNothingIsDoneBeforeThisNodeHasCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "one", "two")
		w.disk.status["two"] = mirror.Status{Generation: 1}
		w.do(&command.RemoveRepos{Ids: []string{"two"}})
		before := len(w.log)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = w.agent.Run(ctx, w.disk) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.disk.assigned) != 0 || len(w.disk.removed) != 0 || len(w.log) != before {
			t.Errorf("assigned %v, removed %v, %d entries", w.disk.assigned, w.disk.removed, len(w.log)-before)
		}
		close(w.caughtUp)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.disk.assigned) != 1 || len(w.disk.removed) != 1 {
			t.Errorf("assigned %v, removed %v once it has caught up", w.disk.assigned, w.disk.removed)
		}
		cancel()
		<-done
	})
}

// A candidate that is refused under one epoch may be right under the next: it is
// another request, and not answered from memory.
func TestThePublishOfAnotherEpochIsAnotherRequest(t *testing.T) {
	w := newWorld(t, "one")
	c := w.candidate("one")
	w.do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "one", Epoch: 1, Owner: "b"}}})
	if o, err := w.agent.Publish(t.Context(), c); o != mirror.Overtaken {
		t.Fatalf("under another owner: %v, %v", o, err)
	}
	w.do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "one", Epoch: 2, Owner: "a"}}})
	c.Epoch = 3
	if o, err := w.agent.Publish(t.Context(), c); o != mirror.Committed {
		t.Errorf("the same candidate in its own epoch: %v, %v", o, err)
	}
}
