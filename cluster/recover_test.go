package cluster_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
)

// A voter whose group is gone is a group of its own again, with all that its log has, and goes
// on from there, whatever was or was not in a snapshot. To do that twice is to do it once.
func TestAGroupIsRecoveredFromOneLog(t *testing.T) {
	for name, configure := range map[string]func(*cluster.Config){
		"from the log": func(*cluster.Config) {},
		"from a snapshot": func(c *cluster.Config) {
			c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 10, 20*time.Millisecond, 5
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, n, before := lostGroup(t, configure)
			for range 2 {
				cfg := n.Config
				cfg.FSM = new(clustertest.Counter)
				if err := cluster.Recover(cfg); err != nil {
					t.Fatal(err)
				}
				after, err := cluster.Examine(nil, cfg.Dir, cfg.LogID)
				if err != nil || after.Last != before.Last || after.Snapshot != before.Last || after.Log != (cluster.Position{}) {
					t.Errorf("it ends with %+v (%v), and did with %+v", after, err, before)
				}
			}
			n.Config.ClusterID, n.Config.FSM = uuid.NewString(), new(clustertest.Counter)
			g.Restart(n)
			g.OnLeader("to apply an entry", func(ctx context.Context, leader *clustertest.Node) error {
				_, _, err := leader.Apply(ctx, []byte("one"))
				return err
			})
			if got := count(n); got != 31 {
				t.Errorf("%d entries after the recovery, want 31", got)
			}
			servers, err := n.Servers()
			if err != nil || len(servers) != 1 || servers[0].ID != n.Config.ID || !servers[0].Voter {
				t.Errorf("the group is %+v (%v)", servers, err)
			}
		})
	}
}

// lostGroup is one of three of which a follower is left, with 30 entries.
func lostGroup(t *testing.T, configure func(*cluster.Config)) (*clustertest.Group, *clustertest.Node, cluster.Remains) {
	t.Helper()
	logs := map[string]string{}
	g := clustertest.New(t, 3, clustertest.Options{Config: func(c *cluster.Config) {
		id := c.ID
		c.LogMade = func(log string) error { logs[id] = log; return nil }
		configure(c)
	}})
	leader := g.Leader()
	var index uint64
	for range 30 {
		_, at, err := leader.Apply(deadline(t), []byte("one"))
		if err != nil {
			t.Fatal(err)
		}
		index = at
	}
	n := g.Nodes[0]
	if n == leader {
		n = g.Nodes[1]
	}
	if err := n.WaitApplied(deadline(t), index); err != nil {
		t.Fatal(err)
	}
	for _, n := range g.Nodes {
		g.Abort(n)
	}
	n.Config.LogID = logs[n.Config.ID]
	before, err := cluster.Examine(nil, n.Config.Dir, n.Config.LogID)
	if err != nil || before.Last.Index < index {
		t.Fatalf("it ends with %+v (%v), before %d", before, err, index)
	}
	g.Nodes = []*clustertest.Node{n}
	return g, n, before
}

// A log that is damaged, or another, is no base: nothing is changed.
func TestNothingIsRecoveredFromADamagedLog(t *testing.T) {
	for name, spoil := range map[string]func(cfg *cluster.Config) error{
		"gone":              func(cfg *cluster.Config) error { return os.Remove(filepath.Join(cfg.Dir, "raft.db")) },
		"empty":             func(cfg *cluster.Config) error { return os.Truncate(filepath.Join(cfg.Dir, "raft.db"), 0) },
		"another":           func(cfg *cluster.Config) error { cfg.LogID = uuid.NewString(); return nil },
		"never noted":       func(cfg *cluster.Config) error { cfg.LogID = ""; return nil },
		"read by no binary": func(cfg *cluster.Config) error { cfg.FSM = stuck{cfg.FSM}; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			_, n, _ := lostGroup(t, func(*cluster.Config) {})
			cfg := n.Config
			cfg.FSM = new(clustertest.Counter)
			if err := spoil(&cfg); err != nil {
				t.Fatal(err)
			}
			if err := cluster.Recover(cfg); err == nil {
				t.Error("it was recovered")
			}
			if list, _ := os.ReadDir(filepath.Join(cfg.Dir, "snapshots")); len(list) != 0 {
				t.Errorf("it left %v", list)
			}
		})
	}
}

// stuck is a state machine that could not go on with an entry.
type stuck struct{ raft.FSM }

func (stuck) Snapshot() (raft.FSMSnapshot, error) {
	return nil, errors.New("this entry is of a later release")
}
func (stuck) Restore(io.ReadCloser) error { return errors.New("not here") }

func TestTheFurtherLog(t *testing.T) {
	for _, c := range []struct {
		a, b cluster.Position
		want int
	}{
		{cluster.Position{Term: 2, Index: 9}, cluster.Position{Term: 3, Index: 8}, -1},
		{cluster.Position{Term: 3, Index: 9}, cluster.Position{Term: 3, Index: 8}, 1},
		{cluster.Position{Term: 3, Index: 8}, cluster.Position{Term: 3, Index: 8}, 0},
	} {
		if got := c.a.Compare(c.b); got != c.want {
			t.Errorf("%+v and %+v: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
