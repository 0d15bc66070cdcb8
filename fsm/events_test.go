package fsm

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/fsm/command"
)

// told lists what the events behind seq say of the repo: the type, the detail, and the node
// that tells.
func (m *machine) told(seq uint64) (list []string) {
	v := m.state.View()
	for _, e := range v.Events(seq) {
		teller := "nobody"
		if n := v.Node(e.Node); n != nil {
			teller = n.Name
		}
		list = append(list, fmt.Sprintf("%s (%s) %s", e.Type, e.Detail, teller))
	}
	return list
}

// Each change of a repo's state is one event, which says what has ended, and who tells of it.
func TestEachChangeIsAnEvent(t *testing.T) {
	m := published1(t)
	m.state.tables.format = Format
	held := func(class string) *command.Report {
		return health(func(h *command.HealthReport) { h.ErrorClass, h.HoldReason, h.HoldDigest = class, "empty", digest(1) })
	}
	pinned := publish("one", 2)
	pinned.Pinned = true
	removal := epoch.Add(30 * time.Second)
	until := removal.Add(time.Second + TrashedFor).Format(time.RFC3339)
	for _, step := range []struct {
		does string
		do   func() *machine
		want []string
	}{
		{"it fails", func() *machine { m.ok(failing("network", "no route")); return m }, []string{"failing (network: no route) node-a"}},
		{"in other words", func() *machine { m.ok(failing("network", "no host")); return m }, nil},
		{"it is held as well", func() *machine { m.ok(held("network")); return m }, []string{"held (empty) node-a"}},
		{"it answers, and is held still", func() *machine { m.ok(held("")); return m }, []string{"recovered (was failing for 3s: network; still held: empty) node-a"}},
		{"it fails instead", func() *machine { m.ok(failing("auth", "")); return m }, []string{"failing (auth) node-a"}},
		{"it is held instead", func() *machine { m.ok(held("")); return m }, []string{"held (empty) node-a"}},
		{"a ref is restored", func() *machine { m.ok(pinned); return m }, []string{"published () node-a"}},
		{"it is followed", func() *machine { m.ok(publish("one", 3)); return m }, []string{"published () node-a", "recovered (was held for 2s: empty) node-a"}},
		{"a copy breaks", func() *machine {
			m.ok(reportReady("b", "one", 3))
			m.ok(reportCopy("b", "one", command.CopyState_COPY_STATE_BROKEN, 0))
			return m
		}, []string{"broken (copy on node-b) node-b"}},
		{"it is said again", func() *machine { m.ok(reportCopy("b", "one", command.CopyState_COPY_STATE_BROKEN, 0)); return m }, nil},
		{"it is made anew", func() *machine { m.ok(reportReady("b", "one", 3)); return m }, []string{"healed (copy on node-b) node-b"}},
		{"it goes on", func() *machine { m.ok(reportReady("b", "one", 3)); return m }, nil},
		{"the owner's copy breaks", func() *machine { m.ok(reportCopy("a", "one", command.CopyState_COPY_STATE_BROKEN, 0)); return m }, []string{"broken (copy on node-a) node-a"}},
		{"it is cloned anew", func() *machine { m.ok(publish("one", 4)); return m }, []string{"published () node-a", "healed (copy on node-a) node-a"}},
		{"it goes to another node", func() *machine { m.ok(m.placing("one", []string{"c"}, nil)); return m }, []string{"moved (to node-c) node-a"}},
		{"and leaves one", func() *machine {
			m.ok(reportReady("c", "one", 4))
			m.ok(m.placing("one", nil, []string{"b"}))
			return m
		}, []string{"moved (away from node-b) node-a"}},
		{"nothing is asked for", func() *machine { m.ok(m.placing("one", nil, nil)); return m }, nil},
		{"its owner dies", func() *machine {
			m.ok(setNode("a", command.NodeState_NODE_STATE_DOWN))
			return m
		}, []string{"node_down (was up) nobody"}},
		{"a person has a word", func() *machine {
			m.ok(&command.Pin{Repo: "one", Ref: "refs/heads/main", Oid: strings.Repeat("a", 40)})
			return m
		}, []string{"pinned (refs/heads/main at " + strings.Repeat("a", 40) + ") node-b"}},
		{"nobody owns it", func() *machine { m.ok(assign("one", 1, "")); return m }, []string{"owner_changed (from node-a to none) node-b"}},
		{"another does", func() *machine { m.ok(assign("one", 2, "c")); return m }, []string{"owner_changed (from none to node-c) node-c"}},
		{"it is removed", func() *machine { m.now = removal; m.ok(&command.RemoveRepos{Ids: []string{"one"}}); return m }, []string{"repo_removed (can be restored until " + until + ") node-c"}},
	} {
		_, seq := m.state.View().EventBounds()
		if got := step.do().told(seq); !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.does, got, step.want)
		}
	}
	other := New()
	if err := other.Restore(bytes.NewReader(m.snapshot())); err != nil {
		t.Fatal(err)
	}
	restored := &machine{t: t, state: other}
	if !slices.Equal(restored.told(0), m.told(0)) {
		t.Errorf("restored: %q, not %q", restored.told(0), m.told(0))
	}
}

// Members of an earlier format do not count what is new: a row remembers the number of its
// last publish's event, and nodes whose tables differ end.
func TestAnEarlierFormatHasFewerEvents(t *testing.T) {
	m := published1(t)
	m.state.tables.format = formatEvents - 1
	_, seq := m.state.View().EventBounds()
	m.ok(failing("network", ""))
	m.ok(health(func(h *command.HealthReport) {
		h.ErrorClass, h.HoldReason, h.HoldDigest = "network", "empty", digest(1)
	}))
	m.ok(health(func(h *command.HealthReport) { h.HoldReason, h.HoldDigest = "empty", digest(1) }))
	m.ok(health(func(h *command.HealthReport) {}))
	m.ok(reportCopy("b", "one", command.CopyState_COPY_STATE_BROKEN, 0))
	m.ok(reportReady("b", "one", 1))
	m.ok(m.placing("one", []string{"c"}, nil))
	if got, want := m.told(seq), []string{"failing (network) nobody", "held (empty) nobody", "recovered () nobody"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is between the bounds is there, and what was dropped is not counted anew.
func TestEventBounds(t *testing.T) {
	m := cluster(t)
	if oldest, newest := m.state.View().EventBounds(); oldest != 1 || newest != 3 {
		t.Errorf("from %d to %d", oldest, newest)
	}
	if oldest, newest := New().View().EventBounds(); oldest != 0 || newest != 0 {
		t.Errorf("of none: from %d to %d", oldest, newest)
	}
	for range maxEvents {
		m.state.tables.events.add(&Event{Type: EventPublished})
	}
	m.ok(setNode("c", command.NodeState_NODE_STATE_DOWN))
	v := m.state.View()
	if oldest, newest := v.EventBounds(); oldest != 5 || newest != maxEvents+4 || len(v.Events(oldest-1)) != maxEvents {
		t.Errorf("from %d to %d", oldest, newest)
	}
}
