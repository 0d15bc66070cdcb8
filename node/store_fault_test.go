package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	gmcluster "gitmirror/cluster"
	"gitmirror/internal/advice"
	"gitmirror/internal/testlog"
	"gitmirror/node"
)

func TestANodeWithADamagedLogDoesNotStart(t *testing.T) {
	r := start(t, node.Config{Name: "n1"})
	r.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.cfg.Dir, "raft", "raft.db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), "127.0.0.1:", "127.0.0.2:")), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, node.Config{Name: "n1", Dir: r.cfg.Dir}, 1, "raft.db is damaged at entry 1", "gitmirror node rm n1", "empty --data")
}

// What lies in the place of a file is named, with what to do, and left as it is.
func TestANodeDoesNotStartOnADirectoryInTheFilesPlace(t *testing.T) {
	for _, name := range []string{"state.db", "raft/raft.db"} {
		r := start(t, node.Config{Name: "n1"})
		r.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(r.cfg.Dir, name)
		if err := os.Rename(path, path+".was"); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(path, "mine"), 0o700); err != nil {
			t.Fatal(err)
		}
		refused(t, node.Config{Name: "n1", Dir: r.cfg.Dir}, 1, path+": it is no file, but a directory", "move it aside", "put back the file")
		if _, err := os.Stat(filepath.Join(path, "mine")); err != nil {
			t.Errorf("%s was touched: %v", name, err)
		}
	}
}

// A node whose log is cut below it cannot go on, nor stop in good order.
func TestANodeEndsAtOnceWhenItsLogFails(t *testing.T) {
	serving := make(chan node.Info, 1)
	cfg := node.Config{Name: "n1", Dir: filepath.Join(t.TempDir(), "n1"), HTTP: "127.0.0.1:0", Peer: "127.0.0.1:0",
		AllowUpstream: []string{"127.0.0.0/8"}, Timing: "fast", Version: "test", Log: testlog.New(t), Ready: func(i node.Info) { serving <- i }}
	ended := make(chan error, 1)
	go func() { ended <- node.Run(t.Context(), cfg) }()
	client := api.NewClient((<-serving).HTTP)
	defer client.Close()
	testlog.Eventually(t, "a leader", func() bool {
		s, err := client.Status(t.Context())
		return err == nil && s.Leader != ""
	})
	if err := os.Truncate(filepath.Join(cfg.Dir, "raft", "raft.db"), 4096); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, _ = client.Add(t.Context(), api.AddRepo{URL: "http://127.0.0.1:1/a", Name: "a"}, "")
	select {
	case err := <-ended:
		var e *advice.Error
		if !errors.As(err, &e) || !errors.Is(err, gmcluster.ErrDamaged) || strings.Contains(err.Error(), "\n") || !strings.Contains(e.Hint(), "node rm n1") {
			t.Errorf("the node ended with %v, want one line about its log and what to do", err)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("it took %v to end", took)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the node goes on")
	}
}
