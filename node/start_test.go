package node_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/advice"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/node"
)

// refused wants a start to fail with words and a hint.
func refused(t *testing.T, cfg node.Config, code int, words ...string) {
	t.Helper()
	_, err := try(t, cfg)
	var e *advice.Error
	if !errors.As(err, &e) {
		t.Fatalf("start was answered with %v, want a refusal about %v", err, words)
	}
	for _, w := range words {
		if !strings.Contains(e.Error()+" "+e.Hint(), w) {
			t.Errorf("the refusal does not mention %q:\n%s\nTry: %s", w, e.Error(), e.Hint())
		}
	}
	if e.ExitCode() != code {
		t.Errorf("exit code %d, want %d (%s)", e.ExitCode(), code, e)
	}
}

func TestStartRefusals(t *testing.T) {
	first := cluster(t, 1)[0]
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, "node.json"), []byte(`{"format":99,"id":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		cfg   node.Config
		code  int
		words []string
	}{
		{"the name is taken", node.Config{Name: "N1", Join: []string{first.info.Peer}}, 6, []string{"n1", "--name", "node rm"}},
		{"the directory is in use", node.Config{Name: "x", Dir: first.cfg.Dir}, 1, []string{"in use", "--data"}},
		{"the API port is busy", node.Config{Name: "x", HTTP: busy.Addr().String()}, 1, []string{busy.Addr().String(), "--http"}},
		{"the peer port is busy", node.Config{Name: "x", Peer: busy.Addr().String()}, 1, []string{busy.Addr().String(), "--peer"}},
		{"peers in the open", node.Config{Name: "x", Peer: "0.0.0.0:0", Advertise: "192.0.2.1:7655"}, 2, []string{"--insecure-peers"}},
		{"listening everywhere, reachable nowhere", node.Config{Name: "x", Peer: "0.0.0.0:0", InsecurePeers: true}, 2, []string{"--advertise"}},
		{"no address", node.Config{Name: "x", HTTP: "7654"}, 2, []string{"host:port"}},
		{"one port for two", node.Config{Name: "x", HTTP: "127.0.0.1:7655", Peer: "127.0.0.1:7655"}, 2, []string{"--http 127.0.0.1:7654 --peer 127.0.0.1:7655"}},
		{"one port for two, everywhere", node.Config{Name: "x", HTTP: "0.0.0.0:7654", AdvertiseHTTP: "h:1", Peer: "127.0.0.1:7654"}, 2, []string{"--http 0.0.0.0:7655 --peer 127.0.0.1:7654"}},
		{"join without a port", node.Config{Name: "x", Join: []string{"10.0.0.11"}}, 2, []string{"no port", "--join 10.0.0.11:7655"}},
		{"join without a port, IPv6", node.Config{Name: "x", Join: []string{"[fd00::1]"}}, 2, []string{"no port", "--join [fd00::1]:7655"}},
		{"join at an empty port", node.Config{Name: "x", Join: []string{"10.0.0.11:"}}, 2, []string{"no port", "--join 10.0.0.11:7655"}},
		{"join at no port", node.Config{Name: "x", Join: []string{"10.0.0.11:peer"}}, 2, []string{"--join 10.0.0.11:7655"}},
		{"join nobody", node.Config{Name: "x", Join: []string{":7655"}}, 2, []string{"no host"}},
		{"join everywhere", node.Config{Name: "x", Join: []string{"0.0.0.0:7655"}}, 2, []string{"--join HOST:7655"}},
		{"join at a URL", node.Config{Name: "x", Join: []string{"http://10.0.0.11:7654/"}}, 2, []string{"URL", "--join 10.0.0.11:7655"}},
		{"join at a URL of the peer port", node.Config{Name: "x", Join: []string{"http://10.0.0.11:9"}}, 2, []string{"URL", "--join 10.0.0.11:9"}},
		{"join at the API", node.Config{Name: "x", Join: []string{strings.TrimPrefix(first.info.HTTP, "http://")}}, 2, []string{"port of the API", "--join " + first.info.Peer}},
		{"join at its own API", node.Config{Name: "x", HTTP: "127.0.0.1:7654", Join: []string{"127.0.0.1:7654"}}, 2, []string{"own --http"}},
		{"join others from loopback", node.Config{Name: "x", Join: []string{"10.0.0.11:7655"}}, 2, []string{"loopback", "--join 10.0.0.11:7655 --peer HOST:7655 --insecure-peers --http HOST:7654"}},
		{"join others, reached at loopback", node.Config{Name: "x", Peer: "192.0.2.1:0", InsecurePeers: true, Advertise: "127.0.0.1:7655", Join: []string{"10.0.0.11:7655"}}, 2, []string{"--advertise 127.0.0.1:7655", "loopback"}},
		{"a bad name", node.Config{Name: "a b"}, 2, []string{"--name"}},
		{"a bad prefix", node.Config{Name: "x", AllowUpstream: []string{"10.0.0.0/99"}}, 2, []string{"--allow-upstream"}},
		{"a newer data directory", node.Config{Name: "x", Dir: newer}, 1, []string{"newer"}},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.cfg, c.code, c.words...) })
	}
	if s, err := first.client.Status(t.Context()); err != nil || len(s.Nodes) != 1 || s.Verdict != api.Healthy {
		t.Errorf("refused starts left their mark: %+v, %v", s, err)
	}
}

func TestAnotherClustersPortIsRefused(t *testing.T) {
	ours, theirs := start(t, node.Config{Name: "a"}), start(t, node.Config{Name: "b"})
	for _, r := range []*running{ours, theirs} {
		r.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
	}
	if err := ours.stop(); err != nil {
		t.Fatal(err)
	}
	refused(t, node.Config{Name: "a", Dir: ours.cfg.Dir, Join: []string{theirs.info.Peer}}, 6, theirs.info.ClusterID, ours.info.ClusterID, "--data")
	again := start(t, node.Config{Name: "a", Dir: ours.cfg.Dir})
	if again.info.ClusterID != ours.info.ClusterID || again.info.Founded {
		t.Errorf("restarted into %+v, want cluster %s, not founded anew", again.info, ours.info.ClusterID)
	}
}

// Where no git will do, a node goes on without, unless it is told that there has to be one; and
// the table says which it is, as long as it is so.
func TestGitMissingOrTooOld(t *testing.T) {
	bin, path := t.TempDir(), os.Getenv("PATH")
	t.Setenv("PATH", bin)
	refused(t, node.Config{Name: "x", Engine: "svn"}, 2, "svn", "go-git")
	refused(t, node.Config{Name: "x", Engine: node.EngineGit}, 1, "git was not found", "install git", "--engine go-git")
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\necho git version 2.20.1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	refused(t, node.Config{Name: "x", Engine: node.EngineGit}, 1, "too old", "2.20.1", "install git")
	shows := func(r *running, engine string) {
		t.Helper()
		r.eventually(t, "the engine "+engine, func(s *api.Status) bool {
			return s.Leader != "" && len(s.Nodes) == 1 && s.Nodes[0].Engine == engine && s.Nodes[0].Version == r.cfg.Version
		})
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, node.Config{Name: "x"})
	shows(r, api.EngineGoGit)
	t.Setenv("PATH", path)
	shows(start(t, node.Config{Name: "x", Dir: r.cfg.Dir}), api.EngineGit)
	shows(start(t, node.Config{Name: "x", Dir: r.cfg.Dir, Engine: node.EngineGoGit}), api.EngineGoGit)
}

func TestRestartKeepsIdentityAndCopies(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "a")
	r := start(t, node.Config{Name: "n1"})
	r.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
	row := r.add(t, api.AddRepo{URL: up.URL("a"), Name: "a"})
	before, err := r.client.Node(t.Context(), "n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// Other ports: the node tells the cluster where it is now.
	r = start(t, node.Config{Name: "n1", Dir: r.cfg.Dir, Join: []string{"127.0.0.1:1"}})
	got := r.await(t, "a", "ready", func(x *api.Repo) bool { return x.State == "ready" })
	if got.ID != row.ID || got.Generation != row.Generation || got.Epoch != row.Epoch {
		t.Errorf("after the restart %+v, before %+v", got, row)
	}
	r.eventually(t, "the new addresses", func(s *api.Status) bool {
		return len(s.Nodes) == 1 && s.Nodes[0].ID == before.ID && s.Nodes[0].HTTP == r.info.HTTP && s.Nodes[0].Peer == r.info.Peer
	})
	follows(t, []*running{r}, up, "a", "a")
	if n := up.Count("a", "clone"); n != 1 {
		t.Errorf("upstream saw %d clones, want 1", n)
	}
}

// On an address that others reach, reads and git are for all, writes are not.
func TestReachableAddressTakesNoWrites(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	r := start(t, node.Config{Name: "n1", HTTP: "0.0.0.0:" + port, AdvertiseHTTP: "127.0.0.1:" + port})
	if status, _, _ := r.call(t, "GET", "/api/v1/status", ""); status != 200 {
		t.Errorf("a read was answered with %d", status)
	}
	for _, w := range [][2]string{{"POST", "/api/v1/repos"}, {"DELETE", "/api/v1/repos/a"}, {"POST", "/api/v1/repos/a:sync"}, {"DELETE", "/api/v1/nodes/n1"}} {
		if status, p, _ := r.call(t, w[0], w[1], "{}"); status != 403 || p.Code != "read_only_address" || p.Hint == "" {
			t.Errorf("%s %s: %d %s, want 403 read_only_address", w[0], w[1], status, p.Code)
		}
	}
}

// A node that waits to be taken in lives, and says that it is not ready; told to stop, it
// stops as any other.
func TestANodeThatCannotJoinAnswersAndStops(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- node.Run(ctx, node.Config{Name: "n1", Dir: filepath.Join(t.TempDir(), "n1"), HTTP: addr, Peer: "127.0.0.1:0", Join: []string{"127.0.0.1:1"},
			Timing: "fast", Version: "test", Log: testlog.New(t)})
	}()
	ask := func(path string) (int, string) {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	testlog.Eventually(t, "the process to live", func() bool { status, _ := ask("/livez"); return status == 200 })
	for path, want := range map[string]string{"/readyz": "not ready", "/api/v1/status": `"code":"starting"`, "/git/a/info/refs?service=git-upload-pack": "gitmirror: not ready"} {
		if status, body := ask(path); status != 503 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want 503 with %s", path, status, body, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("told to stop, it ends with %v", err)
	}
}
