package cluster_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/network"
)

// noting makes nodes note their logs, as a node does in its data directory.
func noting(noted *string) clustertest.Options {
	return clustertest.Options{Config: func(c *cluster.Config) {
		c.LogMade = func(id string) error { *noted = id; return nil }
	}}
}

// reopen opens a node's directory again, and closes it if that succeeds.
func reopen(t *testing.T, cfg cluster.Config) error {
	t.Helper()
	port, err := cluster.Listen(network.Host, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	cfg.Advertise = ""
	c, err := cluster.Open(deadline(t), cfg, port)
	if err != nil {
		return err
	}
	return c.Abort(deadline(t))
}

func TestALostLogIsNotMadeAnew(t *testing.T) {
	for name, lose := range map[string]func(dir string) error{
		"directory gone":    os.RemoveAll,
		"directory empty":   func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) },
		"log gone":          func(dir string) error { return os.Remove(filepath.Join(dir, "raft.db")) },
		"log an empty file": func(dir string) error { return os.Truncate(filepath.Join(dir, "raft.db"), 0) },
		"another log": func(dir string) error {
			var ignored string
			other := clustertest.New(t, 1, noting(&ignored)).Leader()
			if err := other.Abort(deadline(t)); err != nil {
				return err
			}
			return os.Rename(filepath.Join(other.Config.Dir, "raft.db"), filepath.Join(dir, "raft.db"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var noted string
			g := clustertest.New(t, 1, noting(&noted))
			n := g.Leader()
			if _, _, err := n.Apply(deadline(t), []byte("one")); err != nil {
				t.Fatal(err)
			}
			g.Abort(n)
			cfg := n.Config
			cfg.LogID = noted
			if err := reopen(t, cfg); err != nil {
				t.Fatalf("the log is there, yet: %v", err)
			}
			if err := lose(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			for range 2 { // a refused start must not make the next one succeed
				if err := reopen(t, cfg); !errors.Is(err, cluster.ErrLogLost) {
					t.Fatalf("opened with %v, want ErrLogLost", err)
				}
			}
		})
	}
}

// A newcomer notes its log before a leader sends it the first entry.
func TestANewcomerMayCrashBeforeItsFirstEntry(t *testing.T) {
	var noted string
	g := clustertest.New(t, 0, noting(&noted))
	n := g.Start(false)
	g.Abort(n)
	n.Config.LogID = noted
	g.Restart(n)
}

func TestTheLogIsNotedBeforeItIsUsed(t *testing.T) {
	full := errors.New("no space left on device")
	var cfg cluster.Config
	g := clustertest.New(t, 1, clustertest.Options{Config: func(c *cluster.Config) { cfg = *c }})
	g.Abort(g.Nodes[0])
	cfg.FSM = new(clustertest.Counter)
	cfg.LogMade = func(string) error { return full }
	if err := reopen(t, cfg); !errors.Is(err, full) {
		t.Errorf("opened with %v, want the failure of LogMade", err)
	}
}

// What was acknowledged after a backup of raft's directory was made is gone when
// it is put back.
func TestALogPutBackFromABackupIsRefused(t *testing.T) {
	for name, later := range map[string]func(t *testing.T, g *clustertest.Group, n *clustertest.Node){
		"an entry": func(t *testing.T, g *clustertest.Group, n *clustertest.Node) {
			if _, _, err := n.Apply(deadline(t), []byte("acknowledged")); err != nil {
				t.Fatal(err)
			}
		},
		"a term": func(t *testing.T, g *clustertest.Group, n *clustertest.Node) {
			g.Abort(n)
			g.Restart(n)
			g.Leader()
		},
		"a snapshot of it all": func(t *testing.T, g *clustertest.Group, n *clustertest.Node) {
			if _, _, err := n.Apply(deadline(t), []byte("acknowledged")); err != nil {
				t.Fatal(err)
			}
			if err := cluster.Snapshot(n.Cluster); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := clustertest.New(t, 1, clustertest.Options{Config: func(c *cluster.Config) { c.TrailingLogs = 1 }})
			n := g.Leader()
			if _, _, err := n.Apply(deadline(t), []byte("one")); err != nil {
				t.Fatal(err)
			}
			backup := filepath.Join(t.TempDir(), "raft") // of a running node: nothing is being written
			if err := os.CopyFS(backup, os.DirFS(n.Config.Dir)); err != nil {
				t.Fatal(err)
			}
			later(t, g, n)
			g.Abort(n)
			if err := reopen(t, n.Config); err != nil {
				t.Fatalf("the log is the newest, yet: %v", err)
			}
			if err := errors.Join(os.RemoveAll(n.Config.Dir), os.CopyFS(n.Config.Dir, os.DirFS(backup))); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := reopen(t, n.Config); !errors.Is(err, cluster.ErrLogLost) {
					t.Fatalf("opened with %v, want ErrLogLost", err)
				}
			}
		})
	}
}

// The mark is not fsynced: whatever a power cut leaves of it refuses no log.
func TestAMarkThatIsOlderOrUnreadableRefusesNothing(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	n := g.Leader()
	older, err := os.ReadFile(n.Config.Mark)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.Apply(deadline(t), []byte("one")); err != nil {
		t.Fatal(err)
	}
	g.Abort(n)
	flipped := append([]byte(nil), older...)
	flipped[30] = 0xff // of the index
	for name, left := range map[string][]byte{"older": older, "flipped": flipped, "half": older[:30], "empty": nil, "zeros": make([]byte, len(older))} {
		if err := os.WriteFile(n.Config.Mark, left, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := reopen(t, n.Config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(n.Config.Mark); err != nil {
		t.Fatal(err)
	}
	g.Restart(n)
}
