package cluster_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/network"
	"gitmirror/internal/testlog"
)

func member(at *clustertest.Node, id string) cluster.Member {
	for _, m := range at.Members() {
		if m.ID == id {
			return m
		}
	}
	return cluster.Member{}
}

func TestMembersDescribeThemselves(t *testing.T) {
	g := clustertest.New(t, 0, clustertest.Options{Config: func(c *cluster.Config) { c.Meta = []byte("zone=" + c.Name) }})
	for i := range 3 {
		g.Start(i == 0)
	}
	for _, at := range g.Nodes {
		for _, n := range g.Nodes {
			testlog.Eventually(t, n.Config.Name+" seen by "+at.Config.Name, func() bool {
				m := member(at, n.Config.ID)
				return m.Alive && m.Name == n.Config.Name && m.Addr == n.Addr() && string(m.Meta) == "zone="+n.Config.Name
			})
		}
	}
}

func TestGossipFindsTheDeadAndTheReturned(t *testing.T) {
	g := clustertest.New(t, 3, clustertest.Options{})
	alive := func(n *clustertest.Node, want bool) time.Duration {
		start := time.Now()
		for _, at := range g.Nodes {
			if at != n {
				testlog.Eventually(t, "the others to notice", func() bool { return member(at, n.Config.ID).Alive == want })
			}
		}
		return time.Since(start).Round(10 * time.Millisecond)
	}
	n := g.Nodes[2]
	changed := g.Nodes[0].MembersChanged()
	g.Abort(n)
	t.Logf("death noticed by all after %v", alive(n, false))
	select {
	case <-changed:
	default:
		t.Error("MembersChanged did not fire")
	}
	g.Restart(n)
	t.Logf("return at the same address noticed by all after %v", alive(n, true))

	if err := n.Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("leave noticed by all after %v", alive(n, false))
	g.Move(n)
	t.Logf("return at another address noticed by all after %v", alive(n, true))
	if got := member(g.Nodes[0], n.Config.ID).Addr; got != n.Addr() {
		t.Errorf("member at %s, want %s", got, n.Addr())
	}
}

func TestSeedsAreDialledAgain(t *testing.T) {
	var seeds []string
	g := clustertest.New(t, 0, clustertest.Options{Config: func(c *cluster.Config) {
		c.Seeds = func() []string { return seeds }
		c.SeedInterval = 20 * time.Millisecond
	}})
	seeds = []string{reserve(t)}
	g.Start(true)
	late := g.StartAt(seeds[0])
	testlog.Eventually(t, "the seed that came late", func() bool { return member(g.Nodes[0], late.Config.ID).Alive })
}

// names is this machine's network, with a name for this machine that nobody else knows.
type names struct{ network.Network }

func (n names) LookupNetIP(ctx context.Context, of, host string) ([]netip.Addr, error) {
	if host == "here.gitmirror.invalid" {
		host = "127.0.0.1"
	}
	return n.Network.LookupNetIP(ctx, of, host)
}

// Gossip asks the network it was given for the addresses of a name, and not this machine.
func TestSeedsByName(t *testing.T) {
	g := clustertest.New(t, 2, clustertest.Options{Network: names{network.Host}})
	_, port, _ := net.SplitHostPort(g.Nodes[0].Addr())
	if n, err := g.Nodes[1].JoinGossip(t.Context(), []string{"here.gitmirror.invalid:" + port}); n != 1 || err != nil {
		t.Errorf("reached %d members: %v", n, err)
	}
}

// reserve finds an address that nobody listens on.
func reserve(t *testing.T) string {
	port, err := cluster.Listen(network.Host, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	return port.Addr()
}

func TestForeignClustersDoNotMix(t *testing.T) {
	ours := clustertest.New(t, 1, clustertest.Options{})
	theirs := clustertest.New(t, 1, clustertest.Options{})
	if n, err := theirs.Nodes[0].JoinGossip(t.Context(), []string{ours.Nodes[0].Addr()}); err == nil {
		t.Errorf("joined %d members of another cluster", n)
	}
	for _, g := range []*clustertest.Group{ours, theirs} {
		if members := g.Nodes[0].Members(); len(members) != 1 {
			t.Errorf("members %+v, want one", members)
		}
	}
	// A server of ours that answers for another cluster gets no entry.
	leader := ours.Leader()
	if err := leader.AddNonvoter(deadline(t), theirs.Nodes[0].Config.ID, theirs.Nodes[0].Addr()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := leader.Apply(deadline(t), []byte("one")); err != nil {
		t.Fatal(err)
	}
	if leader.CaughtUp(theirs.Nodes[0].Config.ID) || count(theirs.Nodes[0]) != 0 {
		t.Error("a node of another cluster took our log")
	}
}

func TestConfigRefusals(t *testing.T) {
	good := cluster.Config{
		ID: uuid.NewString(), Name: "a", ClusterID: uuid.NewString(),
		Dir: t.TempDir(), FSM: new(clustertest.Counter), Advertise: "host.example:7655",
	}
	if err := good.Validate(); err != nil {
		t.Fatalf("good configuration: %v", err)
	}
	for name, spoil := range map[string]func(*cluster.Config){
		"id":               func(c *cluster.Config) { c.ID = "a" },
		"cluster id":       func(c *cluster.Config) { c.ClusterID = "" },
		"name":             func(c *cluster.Config) { c.Name = "" },
		"long name":        func(c *cluster.Config) { c.Name = string(make([]byte, 600)) },
		"directory":        func(c *cluster.Config) { c.Dir = "" },
		"state machine":    func(c *cluster.Config) { c.FSM = nil },
		"timing":           func(c *cluster.Config) { c.Timing = "soon" },
		"meta":             func(c *cluster.Config) { c.Meta = make([]byte, cluster.MetaMaxSize+1) },
		"any host":         func(c *cluster.Config) { c.Advertise = "0.0.0.0:7655" },
		"no host":          func(c *cluster.Config) { c.Advertise = ":7655" },
		"no port":          func(c *cluster.Config) { c.Advertise = "a:0" },
		"address of a fox": func(c *cluster.Config) { c.Advertise = "fox" },
	} {
		cfg := good
		spoil(&cfg)
		if err := cfg.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
