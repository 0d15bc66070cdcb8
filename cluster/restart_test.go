package cluster_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/network"
	"gitmirror/internal/testlog"
)

func TestRestartKeepsWhatWasCommitted(t *testing.T) {
	for name, configure := range map[string]func(*cluster.Config){
		"from the log": func(*cluster.Config) {},
		"from a snapshot": func(c *cluster.Config) {
			c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 10, 20*time.Millisecond, 5
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := clustertest.New(t, 1, clustertest.Options{Config: configure})
			ctx := deadline(t)
			n := g.Leader()
			var index uint64
			for range 100 {
				_, at, err := n.Apply(ctx, []byte("one"))
				if err != nil {
					t.Fatal(err)
				}
				index = at
			}
			g.Abort(n)
			g.Restart(n) // Founder is still set: it must not found again
			g.Leader()
			if err := n.WaitApplied(ctx, index); err != nil {
				t.Fatal(err)
			}
			if got := count(n); got != 100 {
				t.Errorf("%d entries after the restart, want 100", got)
			}
			read, err := n.ReadIndex(ctx)
			if err != nil || read < index {
				t.Fatalf("read index %d, %v, want at least %d", read, err, index)
			}
			if err := n.WaitApplied(ctx, read); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestNewNodeStartsFromASnapshot(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{Config: func(c *cluster.Config) {
		c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 10, 20*time.Millisecond, 1
	}})
	ctx := deadline(t)
	leader := g.Leader()
	for range 200 {
		if _, _, err := leader.Apply(ctx, []byte("one")); err != nil {
			t.Fatal(err)
		}
	}
	n := g.Start(false)
	g.Add(n)
	index, err := leader.ReadIndex(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.WaitApplied(ctx, index); err != nil {
		t.Fatal(err)
	}
	if got := count(n); got != 200 {
		t.Errorf("%d entries on the new node, want 200", got)
	}
	g.Promote(n)
}

func TestNodesFindEachOtherAfterAllHaveMoved(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	if _, _, err := g.Leader().Apply(deadline(t), []byte("one")); err != nil {
		t.Fatal(err)
	}
	for _, n := range g.Nodes {
		g.Abort(n)
	}
	// The raft configuration knows none of the new addresses; gossip does.
	g.Move(g.Nodes[0])
	g.Move(g.Nodes[1])
	g.OnLeader("apply at the new addresses", func(ctx context.Context, n *clustertest.Node) error {
		_, _, err := n.Apply(ctx, []byte("two"))
		return err
	})
	for _, n := range g.Nodes[:2] {
		testlog.Eventually(t, "both entries", func() bool { return count(n) == 2 })
	}
}

func TestNewcomerAtADeadNodesAddressIsNotTakenForIt(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	ctx := deadline(t)
	leader := g.Leader()
	var dead []*clustertest.Node
	for _, n := range g.Nodes {
		if n != leader {
			g.Abort(n)
			dead = append(dead, n)
		}
	}
	// Two voters of three are gone. A node with a new id takes the address of
	// one: its acknowledgements must not make a majority.
	newcomer := g.StartAt(dead[0].Addr())
	short, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, _, err := leader.Apply(short, []byte("one")); err == nil {
		t.Fatal("committed with one voter of three")
	}
	if id, _ := newcomer.Leader(); id != "" {
		t.Errorf("the newcomer follows %s", id)
	}
}

func TestOpenRefusesAStoreInUse(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	cfg := g.Nodes[0].Config
	cfg.Advertise = ""
	port, err := cluster.Listen(network.Host, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if _, err := cluster.Open(deadline(t), cfg, port); !errors.Is(err, cluster.ErrLocked) {
		t.Errorf("open: %v, want ErrLocked", err)
	}
}

// A snapshot that was being written when the process was killed is no use to anybody.
func TestHalfASnapshotIsSwept(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	n := g.Nodes[0]
	g.Abort(n)
	half := filepath.Join(n.Config.Dir, "snapshots", "2-9-1700000000000.tmp")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "state.bin"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.Restart(n)
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there still: %v", err)
	}
}
