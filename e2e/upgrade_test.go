package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"gitmirror/fsm"
	"gitmirror/internal/testlog"
)

// oldBinary is the binary under test, one cluster format older.
var oldBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "gitmirror-old")
	build := exec.Command("go", "build", "-race", "-tags", "crashpoint oldformat", "-o", path, "gitmirror")
	build.Stderr = os.Stderr
	return path, build.Run()
})

// Three nodes are upgraded one by one while they work. Only when the last has
// been, the cluster uses what is new; after that an older binary is refused,
// when it starts and when it joins.
func TestRollingUpgradeAndNoWayBack(t *testing.T) {
	t.Parallel()
	old, err := oldBinary()
	if err != nil {
		t.Fatal(err)
	}
	f, up := &cluster{t: t}, newForge(t)
	for _, name := range []string{"n1", "n2", "n3"} {
		p := newProc(t, name)
		p.Binary = old
		var args []string
		if len(f.nodes) > 0 {
			args = []string{"--join", f.nodes[0].Peer}
		}
		f.nodes = append(f.nodes, p)
		p.start(nil, args...)
	}
	f.settled(3)
	up.sample("a")
	f.nodes[0].add(up, "a", 3)
	late := f.join("n4") // upgraded from the start; an older one joins beside it
	f.settled(4)
	late.stop()
	for _, p := range f.nodes[:3] {
		p.stop()
		p.Binary = binary
		p.start(nil)
		up.push("a", "while "+p.Name+" is new")
		up.shows("a", f.nodes[:3])
	}
	late.start(nil)
	f.settled(4)
	up.shows("a", f.nodes)
	// The format is raised once every row says so, and node.json remembers it.
	for _, p := range f.nodes {
		p.remembersFormat(int(fsm.Format))
	}
	stray := newProc(t, "n5")
	stray.Binary = old
	stray.refused(1, []string{"--join", f.nodes[0].Peer}, "format")
	back := f.nodes[2]
	back.stop()
	back.Binary = old
	back.refused(1, nil, fmt.Sprint("format ", fsm.Format))
	back.Binary = binary
	back.start(nil)
	f.settled(4)
}

// remembersFormat waits until the node has noted the cluster format.
func (p *proc) remembersFormat(want int) {
	p.t.Helper()
	testlog.Eventually(p.t, p.Name+" to note the cluster format", func() bool {
		data, err := os.ReadFile(filepath.Join(p.Dir, "node.json"))
		var id struct {
			ClusterFormat int `json:"cluster_format"`
		}
		return err == nil && json.Unmarshal(data, &id) == nil && id.ClusterFormat == want
	})
}
