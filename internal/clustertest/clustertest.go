// Package clustertest runs clusters in one process, on loopback ports and in
// temporary directories, for tests.
//
// It promises that everything it started is shut down at the end of the test.
// It does not promise to be fast on a busy machine: waiting has a deadline, and
// no other notion of time.
package clustertest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"gitmirror/cluster"
	"gitmirror/internal/network"
	"gitmirror/internal/testlog"
)

// Patience is how long anything may take before a test gives up on it.
const Patience = 30 * time.Second

// Node is one member of a group.
type Node struct {
	*cluster.Cluster
	Config cluster.Config
	Port   *cluster.Port
	FSM    raft.FSM
}

// Addr is the address of the node's peer port, also after it was closed.
func (n *Node) Addr() string { return n.Config.Advertise }

// Group is a cluster whose nodes are founded, added and promoted in order.
type Group struct {
	t       testing.TB
	options Options
	id      string
	Nodes   []*Node
}

// Options change how nodes are made. The zero value counts with Counter.
type Options struct {
	Network network.Network // default this machine's
	FSM     func() raft.FSM
	Config  func(*cluster.Config) // last word on a configuration
}

// New starts a group of size nodes, all of them voters that have caught up.
func New(t testing.TB, size int, options Options) *Group {
	t.Helper()
	if options.FSM == nil {
		options.FSM = func() raft.FSM { return new(Counter) }
	}
	g := &Group{t: t, options: options, id: uuid.NewString()}
	for range size {
		n := g.Start(len(g.Nodes) == 0)
		if len(g.Nodes) > 1 {
			g.Add(n)
			g.Promote(n)
		}
	}
	if size > 0 {
		g.Leader()
	}
	return g
}

// Start runs a new node, and introduces it to the others by gossip if it is
// not the founder. It is not a server yet: see Add and Promote.
func (g *Group) Start(founder bool) *Node {
	g.t.Helper()
	return g.start(founder, "127.0.0.1:0")
}

// StartAt is Start for a node that is no founder, at a given address.
func (g *Group) StartAt(addr string) *Node {
	g.t.Helper()
	return g.start(false, addr)
}

func (g *Group) start(founder bool, bind string) *Node {
	g.t.Helper()
	id, dir := uuid.NewString(), g.t.TempDir()
	n := &Node{Config: cluster.Config{
		ID:        id,
		Name:      "node-" + id[:4],
		ClusterID: g.id,
		Dir:       filepath.Join(dir, "raft"),
		Mark:      filepath.Join(dir, "raft.mark"),
		Timing:    cluster.TimingFast,
		Founder:   founder,
		Log:       testlog.New(g.t),
		// A machine that runs a dozen tests at once may stall for longer
		// than a product should.
		DiskTimeout: Patience, DiskPatience: 2 * Patience,
	}}
	if g.options.Config != nil {
		g.options.Config(&n.Config)
	}
	g.Nodes = append(g.Nodes, n)
	g.open(n, bind)
	return n
}

// Restart opens a node again that was shut down or aborted, on its directory
// and address, with a new state machine.
func (g *Group) Restart(n *Node) {
	g.t.Helper()
	g.open(n, n.Config.Advertise)
}

// Move is Restart at another address.
func (g *Group) Move(n *Node) {
	g.t.Helper()
	n.Config.Advertise = ""
	g.open(n, "127.0.0.1:0")
}

func (g *Group) open(n *Node, bind string) {
	g.t.Helper()
	port, err := cluster.Listen(network.Or(g.options.Network), bind)
	if err != nil {
		g.t.Fatalf("listen: %v", err)
	}
	n.Port, n.FSM = port, g.options.FSM()
	n.Config.FSM = n.FSM
	n.Config.Advertise = port.Addr()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	n.Cluster, err = cluster.Open(ctx, n.Config, port)
	if err != nil {
		_ = port.Close()
		g.t.Fatalf("open: %v", err)
	}
	opened := n.Cluster
	g.t.Cleanup(func() { g.abort(opened) })
	if _, err := n.JoinGossip(ctx, g.addrs(n)); err != nil {
		g.t.Fatalf("join gossip: %v", err)
	}
}

// addrs are the addresses of the running nodes but one.
func (g *Group) addrs(but *Node) []string {
	var addrs []string
	for _, n := range g.running() {
		if n != but {
			addrs = append(addrs, n.Addr())
		}
	}
	return addrs
}

// Abort ends a node as a crash would.
func (g *Group) Abort(n *Node) {
	g.t.Helper()
	g.abort(n.Cluster)
}

func (g *Group) abort(c *cluster.Cluster) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := c.Abort(ctx); err != nil {
		g.t.Errorf("abort: %v", err)
	}
}

// Add makes a started node a server without a vote.
func (g *Group) Add(n *Node) {
	g.t.Helper()
	g.OnLeader("add "+n.Config.Name, func(ctx context.Context, leader *Node) error {
		return leader.AddNonvoter(ctx, n.Config.ID, n.Addr())
	})
}

// Promote gives a node a vote once it has caught up.
func (g *Group) Promote(n *Node) {
	g.t.Helper()
	g.OnLeader("promote "+n.Config.Name, func(ctx context.Context, leader *Node) error {
		return leader.Promote(ctx, n.Config.ID)
	})
}

// Leader waits until a node leads, and all others of the group that run and
// are servers know it.
func (g *Group) Leader() *Node {
	g.t.Helper()
	var leader *Node
	testlog.Eventually(g.t, "one leader that all know", func() bool {
		leader = nil
		for _, n := range g.running() {
			if n.IsLeader() {
				leader = n
			}
		}
		if leader == nil {
			return false
		}
		servers, err := leader.Servers()
		if err != nil {
			return false
		}
		for _, n := range g.running() {
			if id, _ := n.Leader(); isServer(servers, n) && id != leader.Config.ID {
				return false
			}
		}
		return true
	})
	return leader
}

func isServer(servers []cluster.Server, n *Node) bool {
	for _, s := range servers {
		if s.ID == n.Config.ID {
			return true
		}
	}
	return false
}

// running are the nodes that were not closed.
func (g *Group) running() []*Node {
	var nodes []*Node
	for _, n := range g.Nodes {
		select {
		case <-n.Closed():
		default:
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// OnLeader retries an action on whoever leads until it succeeds.
func (g *Group) OnLeader(what string, do func(ctx context.Context, leader *Node) error) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var last error
	testlog.Eventually(g.t, what, func() bool {
		last = do(ctx, g.Leader())
		if last != nil {
			g.t.Logf("%s: %v", what, last)
		}
		return last == nil
	})
}
