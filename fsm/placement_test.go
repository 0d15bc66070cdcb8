package fsm

import (
	"testing"

	"gitmirror/fsm/command"
)

func TestPlace(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	stale := m.placing("one", []string{"c"}, nil)
	m.ok(m.placing("one", []string{"c"}, []string{"b"}))
	if m.copyState("one", "b") != CopyLeaving || m.copyState("one", "c") != CopyWanted {
		t.Errorf("copies %+v", m.repo("one").Copies)
	}
	m.refused(CodeStaleRow, stale)
	m.refused(CodeInvalid, m.placing("one", []string{"b"}, nil))
	m.refused(CodeNotFound, m.placing("one", []string{"z"}, nil))
	m.refused(CodeNotFound, m.placing("one", nil, []string{"z"}))
	m.ok(reportGone("b", "one"))
	m.refused(CodeNotFound, m.placing("one", nil, []string{"b"}))
	m.refused(CodeInvalid, m.placing("one", nil, []string{"a"}))
}

func TestLastReadyCopyNeverLeaves(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	m.ok(assign("one", 1, ""))
	m.refused(CodeLastCopy, m.placing("one", []string{"c"}, []string{"a", "b"}))
	m.ok(m.placing("one", []string{"c"}, []string{"a"}))
	m.refused(CodeLastCopy, m.placing("one", nil, []string{"b"}))
	m.ok(reportReady("c", "one", 1))
	m.ok(m.placing("one", nil, []string{"b"}))
}

func TestACopyOnADeadNodeIsNotOneThatIsLeft(t *testing.T) {
	m := published1(t)
	m.ok(reportReady("b", "one", 1))
	m.ok(assign("one", 1, "b"))
	m.ok(setNode("b", command.NodeState_NODE_STATE_DOWN))
	m.refused(CodeLastCopy, m.placing("one", nil, []string{"a"}))
}

func TestAssignOwners(t *testing.T) {
	m := published1(t)
	m.refused(CodeStaleEpoch, assign("one", 0, "b"))
	m.refused(CodeNotFound, assign("none", 1, "b"))
	m.refused(CodeNotFound, assign("one", 1, "z"))
	m.refused(CodeNotFound, assign("one", 1, "c"))
	m.ok(assign("one", 1, "a"))
	if row := m.repo("one"); row.Epoch != 2 || row.Owner != 1 {
		t.Errorf("row %+v, want epoch 2 of node 1", row)
	}
	m.ok(assign("one", 2, ""))
	m.ok(assign("one", 3, "b"))
	m.ok(assign("one", 4, "a"))
	m.ok(reportCopy("b", "one", command.CopyState_COPY_STATE_BROKEN, 0))
	m.refused(CodeInvalid, assign("one", 5, "b"))
	m.ok(m.placing("one", nil, []string{"b"}))
	m.refused(CodeInvalid, assign("one", 5, "b"))
}
