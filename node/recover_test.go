package node_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/fsm"
	"gitmirror/internal/network"
	"gitmirror/internal/testlog"
	"gitmirror/membership"
	"gitmirror/node"
)

// A recovery that was interrupted is no state in which a node starts; made again, it is the
// same one.
func TestAnInterruptedRecovery(t *testing.T) {
	n := start(t, node.Config{Name: "n1"})
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	id, err := membership.Of(nil, n.cfg.Dir, fsm.Format)
	if err != nil {
		t.Fatal(err)
	}
	const next = "6c1c4b56-3a4b-4a58-9d0e-0d4f2c1f7f11"
	if err := id.BeginRecovery(next); err != nil {
		t.Fatal(err)
	}
	again := node.Config{Name: "n1", Dir: n.cfg.Dir}
	refused(t, again, 6, "interrupted", "gitmirror cluster recover --data "+n.cfg.Dir)
	r, err := node.Recover(t.Context(), n.cfg.Dir, network.Host, slog.New(slog.DiscardHandler))
	if err != nil || r.ClusterID != next || len(r.Former) != 1 || r.Former[0] != n.info.ClusterID {
		t.Fatalf("%+v, %v", r, err)
	}
	if info := start(t, again).info; info.ClusterID != next {
		t.Errorf("it is of %s", info.ClusterID)
	}
}

// A recovery that was interrupted does not go on while others run who were members before it:
// they would end when they hear of it, with all that they have acknowledged meanwhile.
func TestAnInterruptedRecoveryAndThoseWhoRun(t *testing.T) {
	nodes := cluster(t, 2)
	n := nodes[1]
	testlog.Eventually(t, "the second knows where the first is", func() bool {
		id, err := membership.Of(nil, n.cfg.Dir, fsm.Format)
		return err == nil && len(id.Members) == 1
	})
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	id, err := membership.Of(nil, n.cfg.Dir, fsm.Format)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.BeginRecovery("6c1c4b56-3a4b-4a58-9d0e-0d4f2c1f7f11"); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Recover(t.Context(), n.cfg.Dir, network.Host, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "since this recovery was interrupted: "+nodes[0].cfg.Name+" at ") {
		t.Errorf("it goes on: %v", err)
	}
	if is, err := membership.Of(nil, n.cfg.Dir, fsm.Format); err != nil || !is.Recovering || len(is.Members) != 1 {
		t.Errorf("it was changed: %+v, %v", is, err)
	}
}

func TestWhatCannotBeRecovered(t *testing.T) {
	if _, err := node.Examine(t.Context(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("what is not there is a node's directory")
	}
	of := func(cluster string, term, index uint64) node.Remains {
		return node.Remains{Dir: cluster, ClusterID: cluster, Last: node.Position{Term: term, Index: index}}
	}
	if i, err := node.Furthest([]node.Remains{of("c", 3, 8), of("c", 4, 7), of("c", 4, 6)}); err != nil || i != 1 {
		t.Errorf("the furthest is %d, %v", i, err)
	}
	if _, err := node.Furthest([]node.Remains{of("c", 3, 8), of("d", 4, 7)}); err == nil {
		t.Error("logs of two clusters were compared")
	}
}
