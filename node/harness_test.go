package node_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/node"
)

// running is one node in this process.
type running struct {
	cfg    node.Config
	info   node.Info
	client *api.Client
	stop   func() error // orderly; what Run returned
}

// start runs a node until the test ends or it is stopped, and returns when it
// serves.
func start(t *testing.T, cfg node.Config) *running {
	t.Helper()
	r, err := try(t, cfg)
	if err != nil {
		t.Fatalf("node %s did not start: %v", cfg.Name, err)
	}
	return r
}

// try is start for nodes that may refuse.
func try(t *testing.T, cfg node.Config) (*running, error) {
	t.Helper()
	cfg.HTTP, cfg.Peer = or(cfg.HTTP, "127.0.0.1:0"), or(cfg.Peer, "127.0.0.1:0")
	cfg.Timing, cfg.Version = or(cfg.Timing, "fast"), "test"
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), cfg.Name)
	}
	if cfg.ReplaceAfter == 0 {
		cfg.ReplaceAfter = 10 * time.Minute
	}
	if cfg.AllowUpstream == nil {
		cfg.AllowUpstream = []string{"127.0.0.0/8"}
	}
	cfg.Log = testlog.New(t)
	serving := make(chan node.Info, 1)
	cfg.Ready = func(i node.Info) { serving <- i }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx, cfg) }()
	r := &running{cfg: cfg}
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	select {
	case err := <-done:
		cancel()
		done <- err
		return nil, err
	case r.info = <-serving:
	}
	r.client = api.NewClient(r.info.HTTP)
	t.Cleanup(func() {
		r.client.Close()
		if err := r.stop(); err != nil {
			t.Errorf("node %s: %v", cfg.Name, err)
		}
	})
	return r, nil
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// cluster starts n nodes, each joined through the first, and waits until they
// vote.
func cluster(t *testing.T, n int) []*running {
	t.Helper()
	nodes := []*running{start(t, node.Config{Name: "n1"})}
	for i := 2; i <= n; i++ {
		nodes = append(nodes, start(t, node.Config{Name: fmt.Sprintf("n%d", i), Join: []string{nodes[0].info.Peer}}))
	}
	for _, r := range nodes {
		r.eventually(t, fmt.Sprintf("%d nodes to be up", n), func(s *api.Status) bool { return up(s) == n && s.Leader != "" })
	}
	if n == 3 || n == 4 {
		nodes[0].eventually(t, "three voters", func(s *api.Status) bool { return s.Tolerates == 1 })
	}
	return nodes
}

func up(s *api.Status) int {
	n := 0
	for _, m := range s.Nodes {
		if m.State == "up" {
			n++
		}
	}
	return n
}

// eventually waits until the node's status is as ok wants it.
func (r *running) eventually(t *testing.T, what string, ok func(*api.Status) bool) {
	t.Helper()
	testlog.Eventually(t, what+" as "+r.cfg.Name+" sees it", func() bool {
		s, err := r.client.Status(t.Context())
		return err == nil && ok(s)
	})
}

// add adds a repo and waits until it is ready.
func (r *running) add(t *testing.T, a api.AddRepo) *api.Repo {
	t.Helper()
	if a.Interval == "" {
		a.Interval = "1s"
	}
	row, err := r.client.Add(t.Context(), a, "")
	if err != nil {
		t.Fatalf("add %s: %v", a.URL, err)
	}
	return r.await(t, row.Name, "ready", func(x *api.Repo) bool { return x.State == "ready" && x.Generation > 0 })
}

// await waits until the repo is as ok wants it, as this node sees it.
func (r *running) await(t *testing.T, name, what string, ok func(*api.Repo) bool) *api.Repo {
	t.Helper()
	var row *api.Repo
	testlog.EventuallyIn(t, time.Minute, fmt.Sprintf("%s to be %s as %s sees it", name, what, r.cfg.Name), func() bool {
		got, err := r.client.Repo(t.Context(), name)
		if err == nil {
			row = got
		}
		return err == nil && ok(got)
	})
	return row
}

func (r *running) gitURL(name string) string { return r.info.HTTP + "/git/" + name }

func sample(t *testing.T, s *upstream.Server, name string) *upstream.Repo {
	t.Helper()
	r, err := s.Repo(name)
	if err != nil {
		t.Fatal(err)
	}
	gittest.Edit(t, r, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a.txt": name})
		e.Commit("side", "two", map[string]string{"b.txt": "b"})
		e.Commit("main", "merge", map[string]string{"c.txt": "c"}, "side")
		e.Tag("v1", "main", "version one")
	})
	return r
}

// follows waits until every node shows what upstream shows.
func follows(t *testing.T, nodes []*running, up *upstream.Server, path, name string) {
	t.Helper()
	want := gittest.LsRemote(t, up.URL(path))
	for _, r := range nodes {
		testlog.Eventually(t, name+" on "+r.cfg.Name+" to be what upstream shows", func() bool {
			out, err := gittest.Try(t, t.TempDir(), "ls-remote", "--symref", r.gitURL(name))
			return err == nil && out == want
		})
	}
}

// commit is an edit that adds one commit to main.
func commit(what string) func(*upstream.Edit) {
	return func(e *upstream.Edit) { e.Commit("main", what, map[string]string{"pushed.txt": what}) }
}

func sortedUnique(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
