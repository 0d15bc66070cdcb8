package node_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/disk"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/node"
)

// Whatever a node does to its data directory passes the disk that it was given: each file
// that docs/design.md lists is seen by a world that is to fail it.
func TestANodeReachesItsDirectoryThroughTheDiskItWasGiven(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	dir := t.TempDir()
	n := start(t, node.Config{Name: "n1", Dir: dir, Disk: disk.New(func(op disk.Op) error {
		mu.Lock()
		defer mu.Unlock()
		path, below := strings.CutPrefix(op.Path, dir)
		if !below {
			t.Errorf("%s of %s, which is not below %s", op.Name, op.Path, dir)
		}
		seen[op.Name+" "+path] = true
		return nil
	})})
	up := gittest.Upstream(t)
	sample(t, up, "one")
	n.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
	row := n.add(t, api.AddRepo{URL: up.URL("one"), Name: "one"})
	for _, want := range []string{
		"open /lock", "rename /node.json", "write /raft.mark", "append /raft/raft.db", "set /raft/raft.db", "sync /raft/probe", "allocate /raft/reserve",
		"sync /probe", "open /state.db", "write /state.db", "mkdir /staging/*", "rename /repos/*/" + row.ID + ".git/packed-refs", "rename /repos/*/" + row.ID + ".git/objects/pack/pack-*.idx",
	} {
		testlog.Eventually(t, want, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return some(seen, want)
		})
	}
}

func some(seen map[string]bool, pattern string) bool {
	for op := range seen {
		if ok, _ := filepath.Match(pattern, op); ok {
			return true
		}
	}
	return false
}
