package cluster_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
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
	port, err := cluster.Listen("127.0.0.1:0")
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
