package cluster_test

import (
	"context"
	"errors"
	"testing"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/testlog"
)

func TestVoterLifecycle(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	ctx := deadline(t)
	leader := g.Leader()
	for range 100 {
		if _, _, err := leader.Apply(ctx, []byte("one")); err != nil {
			t.Fatal(err)
		}
	}

	n := g.Start(false)
	if err := leader.Promote(ctx, n.Config.ID); !errors.Is(err, cluster.ErrNotServer) {
		t.Errorf("promote a stranger: %v, want ErrNotServer", err)
	}
	g.Add(n)
	testlog.Eventually(t, "the new node to catch up", func() bool { return count(n) == 100 })
	wantVotes(t, leader, map[*clustertest.Node]bool{leader: true, n: false})

	g.Promote(n)
	wantVotes(t, leader, map[*clustertest.Node]bool{leader: true, n: true})

	if err := leader.Demote(ctx, n.Config.ID); err != nil {
		t.Fatal(err)
	}
	wantVotes(t, leader, map[*clustertest.Node]bool{leader: true, n: false})

	if err := leader.RemoveServer(ctx, n.Config.ID); err != nil {
		t.Fatal(err)
	}
	wantVotes(t, leader, map[*clustertest.Node]bool{leader: true})
	if leader.CaughtUp(n.Config.ID) {
		t.Error("a removed server is called caught up")
	}
}

func wantVotes(t *testing.T, leader *clustertest.Node, want map[*clustertest.Node]bool) {
	t.Helper()
	servers, err := leader.Servers()
	if err != nil {
		t.Fatal(err)
	}
	if len(servers) != len(want) {
		t.Errorf("servers %+v, want %d", servers, len(want))
	}
	for n, vote := range want {
		found := false
		for _, s := range servers {
			if s.ID == n.Config.ID {
				found = true
				if s.Voter != vote || s.Addr != n.Addr() {
					t.Errorf("server %+v, want voter=%v at %s", s, vote, n.Addr())
				}
			}
		}
		if !found {
			t.Errorf("%s is no server", n.Config.Name)
		}
	}
}

func TestPromoteRefusesAnUnreachableServer(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	ctx := deadline(t)
	leader := g.Leader()
	n := g.Start(false)
	g.Abort(n)
	g.Add(n)
	if err := leader.Promote(ctx, n.Config.ID); !errors.Is(err, cluster.ErrNotCaughtUp) {
		t.Fatalf("promote: %v, want ErrNotCaughtUp", err)
	}
	if _, _, err := leader.Apply(ctx, []byte("one")); err != nil {
		t.Errorf("the leader no longer commits: %v", err)
	}
	if _, known := leader.Progress(n.Config.ID); known {
		t.Error("progress of a server that never answered")
	}
}

func TestCaughtUpServerThatDiesIsNoLongerCalledSo(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	leader := g.Leader()
	var follower *clustertest.Node
	for _, n := range g.Nodes {
		if n != leader {
			follower = n
		}
	}
	testlog.Eventually(t, "the follower to be caught up", func() bool { return leader.CaughtUp(follower.Config.ID) })
	if follower.CaughtUp(leader.Config.ID) {
		t.Error("a follower claims to know the leader's progress")
	}
	g.Abort(follower)
	testlog.Eventually(t, "the dead follower to be called lagging", func() bool { return !leader.CaughtUp(follower.Config.ID) })
}

func TestRemovedVoterIsTold(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	leader := g.Leader()
	for _, n := range g.Nodes {
		select {
		case <-n.Removed():
			t.Fatalf("%s believes that it was removed", n.Config.Name)
		default:
		}
	}
	// A leader that removes itself sees its own removal committed.
	if err := leader.RemoveServer(deadline(t), leader.Config.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-leader.Removed():
	case <-deadline(t).Done():
		t.Error("the removed leader was not told")
	}
	g.Abort(leader)
	g.OnLeader("apply after the removal", func(ctx context.Context, n *clustertest.Node) error {
		_, _, err := n.Apply(ctx, []byte("one"))
		return err
	})
}
