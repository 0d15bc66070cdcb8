package fsm

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func TestClusterIsNamedOnce(t *testing.T) {
	m := cluster(t)
	out := m.refused(refusal.ClusterNamed, &command.FoundCluster{ClusterId: "other"})
	if err := AsError(out); !errors.Is(err, refusal.ClusterNamed) || errors.Is(err, refusal.NotFound) {
		t.Errorf("AsError = %v", err)
	}
	m.refused(refusal.Invalid, &command.FoundCluster{})
}

func TestNodeNameIsUniqueUntilItLeaves(t *testing.T) {
	m := cluster(t)
	twin := putNode("d")
	twin.Node.Name = "NODE-A"
	out := m.refused(refusal.ConflictNode, twin)
	if !strings.Contains(out.Message, " a ") || !strings.Contains(out.Message, "gitmirror node rm") {
		t.Errorf("message %q lacks the other id or the hint", out.Message)
	}
	m.ok(setNode("a", command.NodeState_NODE_STATE_LEFT))
	m.ok(twin)
	if n := m.state.View().NodeByName("node-a"); n.ID != "d" || n.Num != 4 {
		t.Errorf("node-a is %+v, want d with number 4", n)
	}
	m.refused(refusal.ConflictNode, setNode("a", command.NodeState_NODE_STATE_UP))
	m.refused(refusal.ConflictNode, putNode("a"))
}

func TestPutNodeUpdates(t *testing.T) {
	m := cluster(t)
	before := *m.state.View().NodeByID("b")
	change := putNode("b")
	change.Node.Zone, change.Node.Weight = "west", 3
	m.ok(change)
	after := m.state.View().NodeByID("b")
	before.Zone, before.Weight = "west", 3
	if !reflect.DeepEqual(*after, before) {
		t.Errorf("after update %+v, want %+v", *after, before)
	}
	if got := m.eventTypes("node-b"); !slices.Equal(got, []string{EventNodeJoined}) {
		t.Errorf("events %v", got)
	}
}

func TestNodeStatesAndFlaps(t *testing.T) {
	m := cluster(t)
	since := m.state.View().NodeByID("a").Since
	m.ok(setNode("a", command.NodeState_NODE_STATE_UP))
	if got := m.state.View().NodeByID("a").Since; !got.Equal(since) {
		t.Errorf("since moved from %v to %v without a change", since, got)
	}
	for range 2 {
		m.ok(setNode("a", command.NodeState_NODE_STATE_SUSPECT))
		m.ok(setNode("a", command.NodeState_NODE_STATE_DOWN))
		m.ok(setNode("a", command.NodeState_NODE_STATE_UP))
	}
	n := m.state.View().NodeByID("a")
	if n.Flaps != 2 || n.State != NodeUp || !n.Since.Equal(m.now) {
		t.Errorf("node %+v, want 2 flaps, up since %v", n, m.now)
	}
	want := []string{EventNodeJoined, EventNodeDown, EventNodeUp, EventNodeDown, EventNodeUp}
	if got := m.eventTypes("node-a"); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	m.refused(refusal.Invalid, setNode("a", 99))
	m.refused(refusal.NotFound, setNode("z", command.NodeState_NODE_STATE_UP))
}

func TestRemoveNodeKeepsTheLastReadyCopy(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one"), newRepo("two")))
	m.ok(publish("one", 1))
	out := m.refused(refusal.LastCopy, &command.RemoveNode{Id: "a"})
	if !strings.Contains(out.Message, "1 repos") || !strings.Contains(out.Message, "host/Acme/one") {
		t.Errorf("message %q lacks the count or the first name", out.Message)
	}
	m.ok(reportReady("b", "one", 1))
	m.ok(&command.RemoveNode{Id: "a"})
	row := m.repo("one")
	if row.Owner != 0 || row.Epoch != 2 || len(row.Copies) != 1 {
		t.Errorf("row %+v, want no owner, epoch 2 and one copy", row)
	}
	m.refused(refusal.NotFound, &command.RemoveNode{Id: "a"})
	m.ok(putNode("a"))
	if n := m.state.View().NodeByID("a"); n.Num != 4 {
		t.Errorf("a node's number was given out twice: %+v", n)
	}
}

func TestOnlyTheRunInTheRowMayChangeIt(t *testing.T) {
	m := cluster(t)
	put := func(run, replaces, http string) *command.PutNode {
		p := putNode("d")
		p.Node.Run, p.Node.Http, p.ReplacesRun = run, http, replaces
		return p
	}
	m.ok(put("run-1", "", "http://one"))
	m.ok(put("run-1", "", "http://two"))
	m.refused(refusal.StaleRun, put("run-2", "", "http://copy"))
	m.ok(put("run-2", "run-1", "http://three")) // a restart knows the run before
	m.refused(refusal.StaleRun, put("run-1", "", "http://paused"))
	m.refused(refusal.StaleRun, put("run-3", "run-1", "http://copy"))
	if n := m.state.View().NodeByID("d"); n.Run != "run-2" || n.HTTP != "http://three" {
		t.Errorf("row %+v", n)
	}
}

func TestTheAddressOfADownNodePasses(t *testing.T) {
	m := cluster(t)
	newcomer := putNode("d")
	newcomer.Node.Peer = "a:7655"
	m.refused(refusal.ConflictAddress, newcomer)
	m.ok(setNode("a", command.NodeState_NODE_STATE_DOWN))
	m.ok(newcomer)
	v := m.state.View()
	if v.NodeByID("a").Peer != "" || v.NodeByID("d").Peer != "a:7655" {
		t.Errorf("a has %q, d has %q", v.NodeByID("a").Peer, v.NodeByID("d").Peer)
	}
}

func TestAFormatIsRaisedWhenAllSpeakIt(t *testing.T) {
	m := cluster(t)
	speak := func(name string) *command.PutNode {
		p := putNode(name)
		p.Node.Format = 2
		return p
	}
	m.ok(speak("a"))
	m.ok(speak("b"))
	if out := m.refused(refusal.FormatTooOld, &command.RaiseFormat{Format: 2}); !strings.Contains(out.Message, "node-c") {
		t.Errorf("message %q does not name who holds it up", out.Message)
	}
	m.ok(speak("c"))
	m.ok(&command.RaiseFormat{Format: 2})
	m.ok(&command.RaiseFormat{Format: 1})
	if got := m.state.View().Format(); got != 2 {
		t.Errorf("format %d, want 2: it is never lowered", got)
	}
	m.refused(refusal.FormatTooOld, putNode("d"))
	m.refused(refusal.FormatTooOld, putNode("c")) // a downgrade
}

func TestConditionOfANode(t *testing.T) {
	m := cluster(t)
	tell := func(c *command.NodeCondition) *command.Report { return &command.Report{Node: "a", Condition: c} }
	m.ok(tell(&command.NodeCondition{Disk: DiskFull, DiskMessage: "4 % free"}))
	n := m.state.View().NodeByID("a")
	if n.Disk == nil || n.Disk.Class != DiskFull || !n.Disk.Since.Equal(m.now) || n.Sick != nil || !n.Serves() {
		t.Errorf("node %+v, disk %+v", n, n.Disk)
	}
	since := m.now
	m.now = m.now.Add(time.Hour)
	m.ok(tell(&command.NodeCondition{Disk: DiskFull, DiskMessage: "3 % free"}))
	if d := m.state.View().NodeByID("a").Disk; !d.Since.Equal(since) || d.Message != "3 % free" {
		t.Errorf("an hour later the disk is %+v, since %s", d, since)
	}
	m.ok(tell(&command.NodeCondition{Sick: "four copies broke within a minute"}))
	if n := m.state.View().NodeByID("a"); n.Disk != nil || n.Sick == nil || n.Serves() {
		t.Errorf("node %+v", n)
	}
	m.ok(&command.Report{Node: "a"})
	if m.state.View().NodeByID("a").Sick == nil {
		t.Error("a report without a condition ended one")
	}
	m.ok(tell(&command.NodeCondition{}))
	want := []string{EventNodeJoined, EventNodeImpaired, EventNodeRecovered, EventNodeImpaired, EventNodeRecovered}
	if got := m.eventTypes("node-a"); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	m.refused(refusal.Invalid, tell(&command.NodeCondition{Disk: "haunted"}))
}

func TestRemoveNodeCountsOnlyCopiesOnLiveNodes(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	m.ok(publish("one", 1))
	m.ok(reportReady("b", "one", 1))
	m.ok(setNode("b", command.NodeState_NODE_STATE_DOWN))
	m.refused(refusal.LastCopy, &command.RemoveNode{Id: "a"})
}
