package cluster_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/testlog"
)

func TestAnotherLeadsWhenTheLeaderDies(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	ctx := deadline(t)
	old := g.Leader()
	if _, _, err := old.Apply(ctx, []byte("one")); err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	g.Abort(old)
	var leader *clustertest.Node
	g.OnLeader("apply after the death of the leader", func(ctx context.Context, n *clustertest.Node) error {
		leader = n
		_, _, err := n.Apply(ctx, []byte("two"))
		return err
	})
	t.Logf("%s timing: %v from the abort to the first commit", old.Config.Timing, time.Since(start).Round(time.Millisecond))
	if leader == old || count(leader) != 2 {
		t.Errorf("%s leads with %d entries, want another with 2", leader.Config.Name, count(leader))
	}

	g.Restart(old)
	testlog.Eventually(t, "the dead node to catch up", func() bool { return count(old) == 2 })
}

func TestShutdownHandsLeadershipOver(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{Config: func(c *cluster.Config) { c.Timing = cluster.TimingSlow }})
	old := g.Leader()
	start := time.Now()
	if err := old.Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	g.Leader()
	took := time.Since(start)
	t.Logf("%v from Shutdown to a new leader", took.Round(time.Millisecond))
	if took > 1500*time.Millisecond {
		t.Errorf("a new leader after %v: that is an election after a timeout, not a transfer", took)
	}
}

func TestLeaderChangedIsSeenByAll(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	old := g.Leader()
	changes := make(map[*clustertest.Node]<-chan struct{})
	for _, n := range g.Nodes {
		changes[n] = n.LeaderChanged()
	}
	began := time.Now()
	if err := old.TransferLeadership(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for n, changed := range changes {
		select {
		case <-changed:
			if since := n.LeaderSince(); since.Before(began) {
				t.Errorf("%s says that it heard of the last change at %s, before it was made", n.Config.Name, since)
			}
		case <-deadline(t).Done():
			t.Errorf("%s saw no change", n.Config.Name)
		}
	}
}

func TestWhileLeaderFollowsLeadership(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	ctx, cancel := context.WithCancel(deadline(t))
	var work sync.WaitGroup
	started := make(chan *clustertest.Node, 16)
	ended := make(chan error, 16)
	for _, n := range g.Nodes {
		work.Go(func() {
			err := n.WhileLeader(ctx, func(ctx context.Context) error {
				started <- n
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return ctx.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("WhileLeader: %v, want Canceled", err)
			}
		})
	}
	first := <-started
	if err := first.TransferLeadership(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, cluster.ErrTermOver) {
		t.Errorf("term ended with %v, want ErrTermOver", err)
	}
	second := <-started
	if second == first {
		t.Errorf("%s started again, want another node", first.Config.Name)
	}
	cancel()
	work.Wait()
	if len(started) != 0 {
		t.Errorf("%d more terms", len(started))
	}
}

// A leader that leaves hands over to another voter where the first has just died: raft
// would choose that one, which is as far as any.
func TestLeadershipGoesToWhoLives(t *testing.T) {
	g := clustertest.New(t, 4, clustertest.Options{})
	leader := g.Leader()
	others := slices.DeleteFunc(slices.Clone(g.Nodes), func(n *clustertest.Node) bool { return n == leader })
	g.Abort(others[0])
	if err := leader.TransferLeadership(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if next := g.Leader(); next != others[1] && next != others[2] {
		t.Errorf("%s leads", next.Config.Name)
	}
}

func TestWhileLeaderRetriesWithinTheTerm(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	runs := 0
	err := g.Leader().WhileLeader(ctx, func(context.Context) error {
		if runs++; runs == 1 {
			return errors.New("first run fails")
		}
		cancel()
		return nil
	})
	if runs != 2 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d runs, %v", runs, err)
	}
}

func TestReadIndex(t *testing.T) {
	// One leader throughout: a busy machine must not elect another.
	g := clustertest.New(t, 3, clustertest.Options{Config: func(c *cluster.Config) { c.Timing = cluster.TimingSlow }})
	ctx := deadline(t)
	leader := g.Leader()
	read := func(wantCount uint64) {
		t.Helper()
		index, err := leader.ReadIndex(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range g.Nodes {
			if err := n.WaitApplied(ctx, index); err != nil {
				t.Fatal(err)
			}
			if got := count(n); got < wantCount {
				t.Fatalf("%s read %d at index %d, want %d", n.Config.Name, got, index, wantCount)
			}
		}
	}
	for i := uint64(1); i <= 50; i++ {
		if _, _, err := leader.Apply(ctx, []byte("one")); err != nil {
			t.Fatal(err)
		}
		read(i)
	}
	for _, n := range g.Nodes {
		if n == leader {
			continue
		}
		if _, err := n.ReadIndex(ctx); !errors.Is(err, cluster.ErrNotLeader) {
			t.Errorf("on a follower: %v, want ErrNotLeader", err)
		}
	}

	// With nodes that have no vote, a majority is asked in another way.
	g.Add(g.Start(false))
	if _, _, err := leader.Apply(ctx, []byte("one")); err != nil {
		t.Fatal(err)
	}
	read(51)
}

func TestReadIndexNeedsAMajority(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	nonvoter := g.Start(false)
	g.Add(nonvoter)
	leader := g.Leader()
	for _, n := range g.Nodes {
		if n != leader && n != nonvoter {
			g.Abort(n)
		}
	}
	if index, err := leader.ReadIndex(deadline(t)); err == nil {
		t.Errorf("read index %d with one voter of three", index)
	}
}

// gated is a Counter that applies nothing while it is shut.
type gated struct {
	clustertest.Counter
	open chan struct{}
}

func (g *gated) Apply(entry *raft.Log) any {
	<-g.open
	return g.Counter.Apply(entry)
}

// A new leader does nothing before its state machine has applied what was
// committed before its term.
func TestWhileLeaderStartsWithEverythingApplied(t *testing.T) {
	var gates []*gated
	g := clustertest.New(t, 3, clustertest.Options{FSM: func() raft.FSM {
		m := &gated{open: make(chan struct{})}
		gates = append(gates, m)
		return m
	}})
	old := g.Leader()
	ctx, cancel := context.WithCancel(deadline(t))
	var work sync.WaitGroup
	seen := make(chan uint64, 16)
	for i, n := range g.Nodes {
		if n == old {
			close(gates[i].open)
			continue
		}
		work.Go(func() {
			_ = n.WhileLeader(ctx, func(ctx context.Context) error {
				seen <- gates[i].Count()
				<-ctx.Done()
				return nil
			})
		})
	}
	for range 5 {
		if _, _, err := old.Apply(ctx, []byte("entry")); err != nil {
			t.Fatal(err)
		}
	}
	g.Abort(old)
	testlog.Eventually(t, "a new leader", func() bool {
		for _, n := range g.Nodes {
			if n != old && n.IsLeader() {
				return true
			}
		}
		return false
	})
	select {
	case n := <-seen:
		t.Errorf("the leader's work began with %d of 5 entries applied", n)
	case <-time.After(300 * time.Millisecond): // it would have begun by now
	}
	for i, n := range g.Nodes {
		if n != old {
			close(gates[i].open)
		}
	}
	if n := <-seen; n != 5 {
		t.Errorf("the leader's work began with %d of 5 entries applied", n)
	}
	cancel()
	work.Wait()
}
