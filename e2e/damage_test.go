package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/internal/testlog"
)

// A node that has lost its raft log, or whose log is not what it wrote, stays
// away and says what to do; done, it is a new node, and nothing was lost.
func TestALogThatIsLostOrDamaged(t *testing.T) {
	f := newCluster(t, 3)
	p := f.others(f.leader())[0]
	rest := f.others(p)
	p.Kill()
	path := filepath.Join(p.Dir, "raft", "raft.db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	join := []string{"--join", rest[0].Peer}

	flipped := bytes.ReplaceAll(data, []byte("127.0.0.1:"), []byte("127.0.0.3:"))
	if err := os.WriteFile(path, flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	p.refused(1, join, path+" is damaged at", "gitmirror node rm "+p.Name, "empty --data")
	// What bbolt has yet to use may be cut: it makes a file larger in advance.
	if err := os.WriteFile(path, data[:3*os.Getpagesize()], 0o600); err != nil {
		t.Fatal(err)
	}
	p.refused(1, join, path+" is damaged", "gitmirror node rm "+p.Name)
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	p.refused(1, join, path+" is gone", "gitmirror node rm "+p.Name, "empty --data")

	testlog.Eventually(t, "the node to be called down", func() bool { return rest[0].stateOf(p.Name) == "down" })
	if _, stderr, code := rest[0].command("node", "rm", p.Name, "--yes"); code != 0 {
		t.Fatalf("node rm: %s", stderr)
	}
	p.Dir = filepath.Join(t.TempDir(), p.Name)
	p.start(nil, join...)
	testlog.Eventually(t, "the node to be a voter again", func() bool {
		s, err := p.client.Status(t.Context())
		return err == nil && s.Tolerates == 1 && len(s.Nodes) == 3
	})
}
