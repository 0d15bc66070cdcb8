package node_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/node"
)

func TestANodeWithoutItsLogDoesNotStart(t *testing.T) {
	nodes := cluster(t, 3)
	lost := nodes[2]
	if err := lost.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(lost.cfg.Dir, "raft")); err != nil {
		t.Fatal(err)
	}
	again := node.Config{Name: "n3", Dir: lost.cfg.Dir, Join: []string{nodes[0].info.Peer}}
	refused(t, again, 1, "raft.db is gone", "gitmirror node rm n3", "empty --data")
}

// What the log voted for, it voted for under an identity that is not known.
func TestALogWithoutItsNodeJSONIsRefused(t *testing.T) {
	nodes := cluster(t, 3)
	lost := nodes[2]
	if err := lost.stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(lost.cfg.Dir, "node.json")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	again := node.Config{Name: "n4", Dir: lost.cfg.Dir, Join: []string{nodes[0].info.Peer}}
	refused(t, again, 1, "node.json is gone", "restore", "empty --data")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("node.json after the refusal: %v", err)
	}
}

// A crash in the middle of founding leaves the intention, and maybe a log
// that nothing was written to.
func TestFoundingGoesOnAfterACrash(t *testing.T) {
	r := start(t, node.Config{Name: "n1"})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.cfg.Dir, "node.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var id map[string]any
	if err := json.Unmarshal(data, &id); err != nil {
		t.Fatal(err)
	}
	if id["log"] == nil {
		t.Fatalf("no log is noted: %s", data)
	}
	delete(id, "log")
	id["founding"] = true
	if data, err = json.Marshal(id); err != nil {
		t.Fatal(err)
	}
	for _, crashed := range []string{"before the log was made", "before the log was noted"} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if crashed == "before the log was made" {
			if err := os.RemoveAll(filepath.Join(r.cfg.Dir, "raft")); err != nil {
				t.Fatal(err)
			}
		}
		again := start(t, node.Config{Name: "n1", Dir: r.cfg.Dir})
		if again.info.ClusterID != r.info.ClusterID {
			t.Errorf("crashed %s: founded %s instead of %s", crashed, again.info.ClusterID, r.info.ClusterID)
		}
		if err := again.stop(); err != nil {
			t.Fatal(err)
		}
	}
}
