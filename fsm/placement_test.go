package fsm

import (
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func TestPlace(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	stale := m.placing("one", []string{"c"}, nil)
	m.ok(m.placing("one", []string{"c"}, []string{"b"}))
	if m.copyState("one", "b") != CopyLeaving || m.copyState("one", "c") != CopyWanted {
		t.Errorf("copies %+v", m.repo("one").Copies)
	}
	m.refused(refusal.StaleRow, stale)
	m.refused(refusal.Invalid, m.placing("one", []string{"b"}, nil))
	m.refused(refusal.NotFound, m.placing("one", []string{"z"}, nil))
	m.refused(refusal.NotFound, m.placing("one", nil, []string{"z"}))
	m.ok(reportGone("b", "one"))
	m.refused(refusal.NotFound, m.placing("one", nil, []string{"b"}))
	m.refused(refusal.Invalid, m.placing("one", nil, []string{"a"}))
}

func TestLastReadyCopyNeverLeaves(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	m.ok(assign("one", 1, ""))
	m.refused(refusal.LastCopy, m.placing("one", []string{"c"}, []string{"a", "b"}))
	m.ok(m.placing("one", []string{"c"}, []string{"a"}))
	m.refused(refusal.LastCopy, m.placing("one", nil, []string{"b"}))
	m.ok(reportReady("c", "one", 1))
	m.ok(m.placing("one", nil, []string{"b"}))
}

func TestACopyOnADeadNodeIsNotOneThatIsLeft(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	m.ok(assign("one", 1, "b"))
	m.ok(setNode("b", command.NodeState_NODE_STATE_DOWN))
	m.refused(refusal.LastCopy, m.placing("one", nil, []string{"a"}))
}

func TestAssignOwners(t *testing.T) {
	m := published1(t)
	m.refused(refusal.StaleEpoch, assign("one", 0, "b"))
	m.refused(refusal.NotFound, assign("none", 1, "b"))
	m.refused(refusal.NotFound, assign("one", 1, "z"))
	m.refused(refusal.NotFound, assign("one", 1, "c"))
	m.ok(assign("one", 1, "a"))
	if row := m.repo("one"); row.Epoch != 2 || row.Owner != 1 {
		t.Errorf("row %+v, want epoch 2 of node 1", row)
	}
	m.ok(assign("one", 2, ""))
	m.ok(assign("one", 3, "b"))
	m.ok(assign("one", 4, "a"))
	m.ok(reportCopy("b", "one", command.CopyState_COPY_STATE_BROKEN, 0))
	m.refused(refusal.Invalid, assign("one", 5, "b"))
	m.ok(m.placing("one", nil, []string{"b"}))
	m.refused(refusal.Invalid, assign("one", 5, "b"))
}
