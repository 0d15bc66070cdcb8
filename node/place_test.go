package node_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/testlog"
	"gitmirror/node"
)

// bare starts a node that is told its directory, and nothing of its place but what cfg says.
func bare(t *testing.T, cfg node.Config) (info node.Info, stop func() error) {
	t.Helper()
	serving := make(chan node.Info, 1)
	cfg.Timing, cfg.Version, cfg.Log, cfg.Ready = "fast", "test", testlog.New(t), func(i node.Info) { serving <- i }
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx, cfg) }()
	select {
	case err := <-done:
		t.Fatalf("the node did not start: %v", err)
	case info = <-serving:
	}
	return info, func() error { cancel(); return <-done }
}

// A node that is told nothing but its directory is the node that it was, where it was: not the
// one that the host's name and the usual ports, or the environment, would make of it.
func TestANodeIsWhatItWas(t *testing.T) {
	nodes := cluster(t, 3)
	n := nodes[2]
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	first := node.Place{Name: "another", HTTP: "127.0.0.1:0", Peer: "127.0.0.1:0", Advertise: "192.0.2.1:7655"}
	info, stop := bare(t, node.Config{Dir: n.cfg.Dir, First: first})
	if info.Name != "n3" || info.HTTP != n.info.HTTP || info.Peer != n.info.Peer {
		t.Errorf("it started as %+v, and was %+v", info, n.info)
	}
	nodes[0].eventually(t, "all three, as they were", func(s *api.Status) bool {
		return up(s) == 3 && len(s.Nodes) == 3 && s.Nodes[2].Name == "n3" && s.Nodes[2].Peer == n.info.Peer
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// A flag changes it, for good.
	info, stop = bare(t, node.Config{Dir: n.cfg.Dir, Name: "renamed", HTTP: "127.0.0.1:0"})
	if info.Name != "renamed" || info.HTTP == n.info.HTTP || info.Peer != n.info.Peer {
		t.Errorf("it started as %+v", info)
	}
	nodes[0].eventually(t, "its new name and address", func(s *api.Status) bool {
		return up(s) == 3 && s.Nodes[2].Name == "renamed" && s.Nodes[2].HTTP == "http://"+strings.TrimPrefix(info.HTTP, "http://")
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	again, stop := bare(t, node.Config{Dir: n.cfg.Dir, First: first})
	if again.Name != "renamed" || again.HTTP != info.HTTP || again.Peer != info.Peer {
		t.Errorf("it started as %+v, and was %+v", again, info)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// What a start is refused for is not what the next one begins with.
func TestARefusedNameIsNotKept(t *testing.T) {
	nodes := cluster(t, 2)
	n := nodes[1]
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	cfg := n.cfg
	cfg.Name, cfg.Log = "n1", testlog.New(t)
	if err := node.Run(t.Context(), cfg); err == nil {
		t.Fatal("two nodes are n1")
	}
	info, stop := bare(t, node.Config{Dir: n.cfg.Dir})
	if info.Name != "n2" || info.Peer != n.info.Peer {
		t.Errorf("it started as %+v, and was %+v", info, n.info)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}

	fresh := filepath.Join(t.TempDir(), "fresh")
	refused(t, node.Config{Name: "n1", Dir: fresh, Join: []string{nodes[0].info.Peer}}, 6, "--name")
	info, stop = bare(t, node.Config{Dir: fresh, First: node.Place{Name: "n3", HTTP: "127.0.0.1:0", Peer: "127.0.0.1:0"}, Join: []string{nodes[0].info.Peer}})
	if info.Name != "n3" {
		t.Errorf("it started as %+v", info)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// An address that others reach is kept; that it is meant has to be said at each start.
func TestAKeptAddressThatOthersReachIsStillRefused(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	dir := filepath.Join(t.TempDir(), "n1")
	_, stop := bare(t, node.Config{Dir: dir, Name: "n1", HTTP: "127.0.0.1:0", Peer: "0.0.0.0:" + port, Advertise: "127.0.0.1:" + port, InsecurePeers: true})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	cfg := node.Config{Dir: dir, Timing: "fast", Log: testlog.New(t)}
	if err := node.Run(t.Context(), cfg); err == nil {
		t.Fatal("it listens everywhere, and nobody said that it may")
	}
	info, stop := bare(t, node.Config{Dir: dir, InsecurePeers: true})
	if info.Peer != "127.0.0.1:"+port {
		t.Errorf("it started as %+v", info)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A node that has given its word to another founds no cluster by itself.
func TestWhoHasGivenItsWordFoundsNothingAlone(t *testing.T) {
	dir := t.TempDir()
	given := `{"format":1,"id":"6d1cbd21-7a31-4a0c-a3a4-3a5f3c1f3c11","promise":{"word":{"founder":"4a0c6d1c-7a31-4a0c-a3a4-3a5f3c1f3c11","call":1,"name":"n9","peer":"192.0.2.9:7655"}}}`
	if err := os.WriteFile(filepath.Join(dir, "node.json"), []byte(given), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, node.Config{Name: "x", Dir: dir}, 6, "n9", "192.0.2.9:7655", "--bootstrap-expect", "--data")
}

// What could found two clusters is refused before anything is made, unless the node has one.
func TestHowManyAreExpected(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n1")
	line := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"}
	refused(t, node.Config{Name: "n1", Dir: dir, Join: line, Expect: 2}, 2, "4 addresses", "--bootstrap-expect 3")
	refused(t, node.Config{Name: "n1", Dir: dir, Expect: 3}, 2, "--join")
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made")
	}
	alone := start(t, node.Config{Name: "n1", Dir: dir, Expect: 1})
	if !alone.info.Founded {
		t.Error("one that expects itself alone has not founded a cluster")
	}
	if err := alone.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, node.Config{Name: "n1", Dir: dir, Join: line, Expect: 2})
	if again.info.ClusterID != alone.info.ClusterID {
		t.Errorf("it is in %s, and was in %s", again.info.ClusterID, alone.info.ClusterID)
	}
}
