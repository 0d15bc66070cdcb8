package cluster_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/testlog"
)

// A record of the leader is damaged that everybody else has, and that the
// leader has applied: a newcomer that lacks it is sent a snapshot instead.
func TestANewcomerIsNotSentADamagedRecord(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	leader := g.Leader()
	const entries = cluster.RecentEntries + 20
	var first uint64
	for i := range entries {
		_, index, err := leader.Apply(deadline(t), []byte("one"))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = index
		}
	}
	if err := cluster.Spoil(leader.Cluster, first); err != nil {
		t.Fatal(err)
	}
	newcomer := g.Start(false)
	g.Add(newcomer)
	testlog.Eventually(t, "the newcomer to have everything", func() bool { return count(newcomer) == entries })
	select {
	case err := <-leader.Fatal():
		t.Errorf("the leader ends with %v", err)
	default:
	}
}

// Nor a damaged snapshot, or none where they are gone or only their directories
// are left: a new one is taken.
func TestANewcomerIsNotSentADamagedSnapshot(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"damaged": func(path string) error { return os.WriteFile(path, []byte("damaged"), 0o600) },
		"gone":    func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"hollow": func(path string) error {
			return errors.Join(os.Remove(path), os.Remove(filepath.Join(filepath.Dir(path), "meta.json")))
		},
	} {
		t.Run(name, func(t *testing.T) { newcomerWithout(t, spoil) })
	}
}

func newcomerWithout(t *testing.T, spoil func(path string) error) {
	g := clustertest.New(t, 1, clustertest.Options{Config: func(c *cluster.Config) {
		c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 40, 20*time.Millisecond, 1
	}})
	leader := g.Leader()
	const entries = 100
	var last uint64
	for range entries {
		var err error
		if _, last, err = leader.Apply(deadline(t), []byte("one")); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	testlog.Eventually(t, "the last snapshot that is due", func() bool {
		found, _ = filepath.Glob(filepath.Join(leader.Config.Dir, "snapshots", "*", "state.bin"))
		for _, path := range found {
			var term, index uint64
			name := filepath.Base(filepath.Dir(path))
			_, err := fmt.Sscanf(name, "%d-%d-", &term, &index)
			if err == nil && index+40 > last && !strings.HasSuffix(name, ".tmp") {
				return true
			}
		}
		return false
	})
	for _, path := range found {
		if err := spoil(path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	newcomer := g.Start(false)
	g.Add(newcomer)
	testlog.Eventually(t, "the newcomer to have everything", func() bool { return count(newcomer) == entries })
}
