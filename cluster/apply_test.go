package cluster_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
)

func count(n *clustertest.Node) uint64 { return n.FSM.(*clustertest.Counter).Count() }

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), clustertest.Patience)
	t.Cleanup(cancel)
	return ctx
}

func TestApplyReachesEveryNode(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	ctx := deadline(t)
	leader := g.Leader()

	var index uint64
	for want := uint64(1); want <= 20; want++ {
		response, at, err := leader.Apply(ctx, []byte("one"))
		if err != nil {
			t.Fatalf("apply: %v", err)
		}
		if response != want {
			t.Fatalf("response %v, want %d", response, want)
		}
		if at <= index {
			t.Fatalf("index %d after %d", at, index)
		}
		index = at
	}
	for _, n := range g.Nodes {
		if err := n.WaitApplied(ctx, index); err != nil {
			t.Fatal(err)
		}
		if got := count(n); got != 20 {
			t.Errorf("%s counted %d entries, want 20", n.Config.Name, got)
		}
	}
}

func TestApplyReturnsTheRefusalOfTheStateMachine(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	response, index, err := g.Leader().Apply(deadline(t), []byte(clustertest.Refuse))
	if !errors.Is(err, clustertest.ErrRefused) || response != nil || index == 0 {
		t.Fatalf("got %v, %d, %v", response, index, err)
	}
}

func TestApplyOnAFollowerNamesTheLeader(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	leader := g.Leader()
	for _, n := range g.Nodes {
		if n == leader {
			continue
		}
		_, _, err := n.Apply(deadline(t), []byte("one"))
		var hint *cluster.NotLeaderError
		if !errors.Is(err, cluster.ErrNotLeader) || !errors.As(err, &hint) {
			t.Fatalf("got %v, want ErrNotLeader", err)
		}
		if hint.LeaderID != leader.Config.ID || hint.LeaderAddr != leader.Addr() {
			t.Errorf("hint %+v, want %s at %s", hint, leader.Config.ID, leader.Addr())
		}
	}
}

func TestApplyWithoutAMajorityIsUnknown(t *testing.T) {
	// A lease long enough to apply before the leader steps down.
	g := clustertest.New(t, 3, clustertest.Options{Config: func(c *cluster.Config) { c.Timing = cluster.TimingSlow }})
	leader := g.Leader()
	for _, n := range g.Nodes {
		if n != leader {
			g.Abort(n)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _, err := leader.Apply(ctx, []byte("one"))
	if !errors.Is(err, cluster.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that ended: %v, want ErrUnknown and DeadlineExceeded", err)
	}
	_, _, err = leader.Apply(deadline(t), []byte("one"))
	if !errors.Is(err, cluster.ErrUnknown) && !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("with leadership lost: %v, want ErrUnknown or ErrNotLeader", err)
	}
	if _, _, err := leader.Apply(ctx, []byte("one")); errors.Is(err, cluster.ErrUnknown) || err == nil {
		t.Errorf("with a context that had ended before: %v, want no ErrUnknown", err)
	}
}

func TestCallsAfterShutdown(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	n := g.Leader()
	ctx := deadline(t)
	for range 2 { // idempotent
		if err := n.Shutdown(ctx); err != nil {
			t.Fatalf("shutdown: %v", err)
		}
	}
	if _, _, err := n.Apply(ctx, []byte("one")); !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("apply: %v, want ErrClosed", err)
	}
	if err := n.WaitApplied(ctx, 1<<60); !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("wait applied: %v, want ErrClosed", err)
	}
	if _, err := n.ReadIndex(ctx); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("read index: %v, want ErrNotLeader", err)
	}
	err := n.WhileLeader(ctx, func(context.Context) error { t.Error("ran"); return nil })
	if !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("while leader: %v, want ErrClosed", err)
	}
}
