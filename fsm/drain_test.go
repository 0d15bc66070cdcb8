package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func drain(node string, draining bool) *command.SetNodeDrain {
	return &command.SetNodeDrain{Id: node, Draining: draining}
}

// What a node's life is, and that it is draining, do not overwrite each other.
func TestADrainOutlivesWhatBecomesOfTheNode(t *testing.T) {
	m := cluster(t)
	m.ok(drain("a", true))
	since := m.state.View().NodeByID("a").Drain
	if !since.Equal(m.now) {
		t.Errorf("draining since %v, want %v", since, m.now)
	}
	m.ok(setNode("a", command.NodeState_NODE_STATE_DOWN))
	m.ok(setNode("a", command.NodeState_NODE_STATE_UP))
	m.ok(putNode("a"))
	m.ok(drain("a", true))
	if n := m.state.View().NodeByID("a"); !n.Draining() || !n.Drain.Equal(since) || n.State != NodeUp {
		t.Errorf("after a restart %+v, want it draining since %v", n, since)
	}
	again := New()
	if err := again.Restore(bytes.NewReader(m.snapshot())); err != nil || !again.View().NodeByID("a").Draining() {
		t.Errorf("a snapshot forgets that a node is draining (%v)", err)
	}
	m.ok(drain("a", false))
	m.ok(drain("a", false))
	if n := m.state.View().NodeByID("a"); n.Draining() {
		t.Errorf("it goes on draining: %+v", n)
	}
	want := []string{EventNodeJoined, EventNodeDraining, EventNodeDown, EventNodeUp, EventNodeUndrained}
	if got := m.eventTypes("node-a"); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	m.refused(refusal.NotFound, drain("z", true))
	m.refused(refusal.Invalid, setNode("a", command.NodeState_NODE_STATE_DRAINING)) // no state of its life
}

func TestADrainingNodeGetsNoCopy(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	m.ok(drain("c", true))
	before := m.repo("one")
	if out := m.do(m.placing("one", []string{"c"}, nil)); out.Items[0].Code != string(refusal.Invalid) || !strings.Contains(out.Items[0].Message, "node-c is draining") {
		t.Errorf("it came to %v", out)
	}
	if m.repo("one") != before {
		t.Error("what was refused changed the row")
	}
	m.ok(drain("c", false))
	m.ok(m.placing("one", []string{"c"}, nil))
	m.ok(drain("c", true))
	m.ok(m.placing("one", []string{"c"}, nil)) // it has it already
}

func TestARemovalNamesWhatWouldBeLost(t *testing.T) {
	m := cluster(t)
	for i := range 12 {
		name := fmt.Sprintf("r%02d", i)
		m.ok(addRepos(newRepo(name)))
		m.ok(publish(name, 1))
	}
	m.ok(reportReady("b", "r00", 1))
	m.ok(setNode("a", command.NodeState_NODE_STATE_DOWN))
	m.ok(setNode("b", command.NodeState_NODE_STATE_DOWN))
	out := m.refused(refusal.LastCopy, &command.RemoveNode{Id: "a"})
	for _, want := range []string{"12 repos", "host/Acme/r00, host/Acme/r01", "host/Acme/r09 and 2 more", "copies on node-b"} {
		if !strings.Contains(out.Message, want) {
			t.Errorf("the refusal lacks %q: %s", want, out.Message)
		}
	}
	if strings.Contains(out.Message, "r10") {
		t.Errorf("the refusal names more than ten: %s", out.Message)
	}

	// Two dead disks: each is in the other's way, until a person says that they are lost.
	m.ok(&command.RemoveNode{Id: "a", AcceptLoss: true})
	for repo, want := range map[string]string{"r00": "another is on node-b, which is down", "r11": "cloned anew from upstream"} {
		e := m.lastEvent("host/Acme/" + repo)
		if e.Type != EventCopyLost || !strings.Contains(e.Detail, want) || !strings.Contains(e.Detail, "node-a") {
			t.Errorf("the last event of %s is %+v", repo, e)
		}
	}
	if e := m.lastEvent("node-a"); e.Type != EventNodeRemoved || !strings.Contains(e.Detail, "the last live copy of 12") {
		t.Errorf("the last event of the node is %+v", e)
	}
	m.refused(refusal.LastCopy, &command.RemoveNode{Id: "b"})
	m.ok(&command.RemoveNode{Id: "b", AcceptLoss: true})
	if row := m.repo("r00"); len(row.Copies) != 0 || row.Generation != 1 || row.Owner != 0 {
		t.Errorf("row %+v", row)
	}
}

// A member of an earlier format would not see what was accepted, and refuse.
func TestLossesAndDrainsNeedTheirFormat(t *testing.T) {
	m := cluster(t)
	accept, err := Encode(&command.RemoveNode{Id: "a", AcceptLoss: true}, "", m.now)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Encode(&command.RemoveNode{Id: "a"}, "", m.now)
	if err != nil {
		t.Fatal(err)
	}
	drains, err := Encode(drain("a", true), "", m.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		entry  []byte
		format uint32
		want   error
	}{
		{"a loss", accept, formatDrain - 1, refusal.FormatTooOld}, {"a loss", accept, formatDrain, nil},
		{"a removal", plain, formatDrain - 1, nil},
		{"a drain", drains, formatDrain - 1, refusal.FormatTooOld}, {"a drain", drains, formatDrain, nil},
	} {
		if _, err := Admit(c.entry, c.format, m.now); !errors.Is(err, c.want) {
			t.Errorf("%s at format %d: %v, want %v", c.what, c.format, err, c.want)
		}
	}
}

// lastEvent is the newest about a repo or node name.
func (m *machine) lastEvent(name string) (last Event) {
	for _, e := range m.state.View().Events(0) {
		if e.Name == name {
			last = e
		}
	}
	return last
}

func TestARecoveredClusterHasAnotherName(t *testing.T) {
	m := cluster(t)
	was := m.state.View().ClusterID()
	m.refused(refusal.ClusterNamed, &command.RecoverCluster{ClusterId: "next", Former: "another", Node: "a"})
	m.refused(refusal.Invalid, &command.RecoverCluster{ClusterId: "next", Node: "a"})
	m.refused(refusal.Invalid, &command.RecoverCluster{Former: was, Node: "a"})
	before := m.state.View().Digest()
	for range 2 {
		m.ok(&command.RecoverCluster{ClusterId: "next", Former: was, Node: "a"})
	}
	if v := m.state.View(); v.ClusterID() != "next" || v.Digest() == before {
		t.Errorf("it is called %s", v.ClusterID())
	}
	// Nobody else is of it.
	for name, want := range map[string]NodeState{"a": NodeUp, "b": NodeDown, "c": NodeDown} {
		if is := m.state.View().NodeByID(name).State; is != want {
			t.Errorf("%s is %s", name, is)
		}
	}
	if e := m.lastEvent("node-a"); e.Type != EventRecovery || !strings.Contains(e.Detail, was) || e.Node != m.state.View().NodeByID("a").Num {
		t.Errorf("the last event is %+v", e)
	}
	if got := m.eventTypes("node-a"); len(got) != 2 {
		t.Errorf("events %v", got)
	}
}
