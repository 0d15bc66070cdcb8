package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/testlog"
)

// recovers runs cluster recover, which asks no node.
func recovers(t *testing.T, args ...string) (text string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"cluster", "recover"}, args...)...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// contentOf is a digest of all files below a directory.
func contentOf(t *testing.T, dir string) string {
	t.Helper()
	all := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write([]byte(path))
		all.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(all.Sum(nil))
}

// Of three nodes one is lost with its disk, one is away, and the cluster goes on from the log of
// the third; what the second hears of that ends it, and the disks of neither are touched.
func TestAQuorumLostForGood(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	f, up := newCluster(t, 3), newForge(t)
	for _, name := range names {
		up.sample(name)
		f.nodes[0].add(up, name, 3)
	}
	kept, away, lost := f.nodes[0], f.nodes[1], f.nodes[2]
	before, err := kept.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// Nothing is recovered of what is in use, nor while others are there.
	if text, code := recovers(t, "--data", kept.Dir, "--yes"); code == 0 || !strings.Contains(text, "in use by another process") {
		t.Errorf("of a node that runs: exit %d\n%s", code, text)
	}
	kept.stop()
	if text, code := recovers(t, "--data", kept.Dir, "--yes"); code != 6 || !strings.Contains(text, "n2 at "+away.Peer) {
		t.Errorf("while others run: exit %d\n%s", code, text)
	}
	kept.start(nil)
	f.settled(3)

	away.stop() // it misses what follows
	up.push("a", "while n2 is away")
	up.shows("a", []*proc{kept, lost})
	all([]*proc{kept, lost}, (*proc).Kill)
	if err := os.RemoveAll(lost.Dir); err != nil {
		t.Fatal(err)
	}
	if text, code := recovers(t, "--data", lost.Dir); code != 5 || !strings.Contains(text, "node.json") {
		t.Errorf("of an empty directory: exit %d\n%s", code, text)
	}
	was := contentOf(t, kept.Dir)
	text, code := recovers(t, "--data", away.Dir, kept.Dir)
	if code != 0 || !strings.Contains(text, "The furthest is n1, in "+kept.Dir) || !strings.Contains(text, "recover --data "+kept.Dir+" --yes") {
		t.Errorf("dry run: exit %d\n%s", code, text)
	}
	if is := contentOf(t, kept.Dir); is != was {
		t.Error("a dry run changed something")
	}
	if text, code := recovers(t, "--data", away.Dir, kept.Dir, "--yes"); code != 2 {
		t.Errorf("of two: exit %d\n%s", code, text)
	}
	text, code = recovers(t, "--data", kept.Dir, "--yes", "-o", "json")
	var r struct {
		Nodes []struct {
			ClusterID string   `json:"cluster_id"`
			Former    []string `json:"former"`
		} `json:"nodes"`
		Recovered bool `json:"recovered"`
	}
	if err := json.Unmarshal([]byte(text), &r); code != 0 || err != nil || !r.Recovered || r.Nodes[0].Former[0] != before.ClusterID || r.Nodes[0].ClusterID == before.ClusterID {
		t.Fatalf("exit %d, %v\n%s", code, err, text)
	}

	// It is alone, leads, and has all that it had.
	kept.start(nil)
	testlog.EventuallyIn(t, time.Minute, "the cluster of one to lead", func() bool {
		s, err := kept.client.Status(t.Context())
		return err == nil && s.Leader == "n1" && s.ClusterID == r.Nodes[0].ClusterID
	})
	for _, name := range names {
		up.push(name, "after the recovery")
		up.shows(name, []*proc{kept})
		if n := up.clones(name); n != 1 {
			t.Errorf("upstream saw %d clones of %s, want 1", n, name)
		}
	}
	if out, _, _ := kept.command("events"); !strings.Contains(out, "cluster_recovered") {
		t.Errorf("the events do not tell of the recovery:\n%s", out)
	}

	if !strings.Contains(kept.tail(), "the cluster was recovered from the log of one node") {
		t.Errorf("the log does not tell of the recovery:\n%s", kept.tail())
	}

	// It is not recovered a second time, from another log, while it goes on.
	if text, code := recovers(t, "--data", away.Dir, "--yes"); code != 6 || !strings.Contains(text, "another incarnation: n1 at "+kept.Peer) {
		t.Errorf("a second incarnation: exit %d\n%s", code, text)
	}

	// Who was away is told, at its start, and changes nothing of the new one.
	was = contentOf(t, filepath.Join(away.Dir, "raft"))
	away.refused(6, nil, "newer incarnation", "n1, at "+kept.Peer, "--join")
	away.refused(6, []string{"--join", kept.Peer}, "newer incarnation", "n1, at "+kept.Peer)
	if is := contentOf(t, filepath.Join(away.Dir, "raft")); is != was {
		t.Error("the log of who was away was changed")
	}
	// With an empty directory they are nodes of the new one, in the place of the old.
	for _, p := range []*proc{away, lost} {
		testlog.Eventually(t, p.Name+" to be seen as down", func() bool { return kept.stateOf(p.Name) == "down" })
		if _, text, code := kept.command("node", "rm", p.Name, "--yes"); code != 0 {
			t.Fatalf("removing %s: exit %d\n%s", p.Name, code, text)
		}
		if err := os.RemoveAll(p.Dir); err != nil {
			t.Fatal(err)
		}
		p.start(nil, "--join", kept.Peer)
	}
	f.settled(3)
	for _, name := range names {
		up.push(name, "with three nodes again")
		up.shows(name, f.nodes)
	}
	testlog.Eventually(t, "a healthy cluster", func() bool {
		s, err := lost.client.Status(t.Context())
		return err == nil && s.Verdict == api.Healthy && s.ClusterID == r.Nodes[0].ClusterID
	})
}

// A member of the old incarnation that runs hears of the new one, and ends; the new one never
// takes it for one of its own.
func TestAMemberOfAnOlderIncarnationEnds(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 3)
	kept, away, lost := f.nodes[0], f.nodes[1], f.nodes[2]
	all([]*proc{kept, away, lost}, (*proc).Kill)
	if text, code := recovers(t, "--data", kept.Dir, "--yes"); code != 0 {
		t.Fatalf("exit %d\n%s", code, text)
	}
	away.start(nil) // alone, and before the new one is there: it serves what it has
	kept.start(nil)
	away.ends(6, "newer incarnation", "n1, at "+kept.Peer)
	testlog.Eventually(t, "n2 to be seen as down", func() bool { return kept.stateOf("n2") == "down" })
	if s, err := kept.client.Status(t.Context()); err != nil || s.Leader != "n1" {
		t.Errorf("it is led by %+v (%v)", s, err)
	}
	// Interrupted, a recovery is no state in which a node starts.
	path := filepath.Join(away.Dir, "node.json")
	if text, code := recovers(t, "--data", away.Dir); code != 0 || !strings.Contains(text, "n2") {
		t.Errorf("dry run: exit %d\n%s", code, text)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
