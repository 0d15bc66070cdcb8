package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
)

// row is one bad input, or one bad upstream, and what is wanted of a node that meets
// it. What is wanted after every row is in afterwards.
type row struct {
	id, name string
	run      func(c *corpus)
	slow     bool   // runs with GITMIRROR_LONG=1 alone
	tested   string // instead of run: the test that has it, "folder TestName"
	notYet   string // instead of run: what there would have to be
}

// TestCorpus sends a real node what it must bear, row by row, and prints a line for each:
// "ok", "FAIL", or "--" and why the row was not run here.
func TestCorpus(t *testing.T) {
	t.Parallel()
	c := newCorpus(t)
	staged := func() int {
		list, err := filepath.Glob(filepath.Join(c.node.Dir, "staging", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	descriptors, staging := c.node.descriptors(), staged()
	seen := map[string]bool{}
	for _, r := range append(append(inputRows, upstreamRows...), servingRows...) {
		line := func(mark, more string) { fmt.Printf("%-4s %s %s%s\n", mark, r.id, r.name, more) }
		if seen[r.id] {
			t.Errorf("row %s is there twice", r.id)
		}
		seen[r.id] = true
		switch {
		case r.notYet != "":
			line("--", ": "+r.notYet+" not there yet")
		case r.tested != "":
			if folder, name, _ := strings.Cut(r.tested, " "); !hasTest(t, folder, name) {
				t.Errorf("row %s is said to be tested by %s, which is not there", r.id, r.tested)
				line("FAIL", "")
				continue
			}
			line("--", ": tested by "+r.tested)
		case r.slow && os.Getenv("GITMIRROR_LONG") == "":
			line("--", ": in the long form alone, GITMIRROR_LONG=1")
		case c.row(r):
			line("ok", "")
		default:
			line("FAIL", "")
		}
	}
	// What the rows took is given back.
	testlog.EventuallyIn(t, time.Minute, "descriptors, children and staging to be as before", func() bool {
		return staged() <= staging && c.node.descriptors() <= descriptors+10 && len(c.node.children()) == 0
	})
}

// descriptors counts what a process has open.
func (p *proc) descriptors() int {
	p.t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid()))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(list)
}

// children are the processes that a process has started and that run.
func (p *proc) children() []string {
	p.t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.Pid()))
	if err != nil {
		p.t.Fatal(err)
	}
	var pids []string
	for _, path := range tasks {
		data, _ := os.ReadFile(path) // a thread that has ended has none
		pids = append(pids, strings.Fields(string(data))...)
	}
	return pids
}

// hasTest tells whether a folder's tests have one of that name.
func hasTest(t *testing.T, folder, name string) bool {
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("\nfunc "+name+"(")) {
			return true
		}
	}
	return false
}

// corpus is what rows are run against: a node that may reach upstreams on this machine,
// one that may not, and a repository that has to be served and followed all the while.
type corpus struct {
	*testing.T
	node, closed *proc
	up           *forge
	good         string // what is shown of the repository that is well
	client       *http.Client
	rows         int
}

const canary = "CANARY-5f3a" // in whatever must not be repeated

func newCorpus(t *testing.T) *corpus {
	c := &corpus{T: t, up: newForge(t), client: &http.Client{Timeout: 20 * time.Second}}
	t.Cleanup(c.client.CloseIdleConnections)
	c.node = newCluster(t, 1).nodes[0]
	closed := &cluster{t: t}
	c.closed = newProc(t, "closed")
	c.closed.Closed = true
	closed.nodes = []*proc{c.closed}
	c.closed.start(nil)
	closed.settled(1)
	c.up.sample("good")
	c.node.add(c.up, "good", 1)
	c.good = gittest.LsRemote(t, c.node.gitURL("good"))
	return c
}

// row runs one row as a subtest, and looks at the node afterwards.
func (c *corpus) row(r row) bool {
	c.rows++
	outer := c.T
	return outer.Run(r.id, func(t *testing.T) {
		is := func(t *testing.T) { c.T, c.up.t, c.node.t, c.closed.t = t, t, t, t }
		is(t)
		defer is(outer)
		r.run(c)
		c.afterwards()
	})
}

// afterwards is what holds after every row: the nodes live, nothing secret is told or
// kept, and the repository that is well is served as before.
func (c *corpus) afterwards() {
	c.Helper()
	for _, p := range []*proc{c.node, c.closed} {
		if !p.Running() {
			c.Fatalf("%s has ended:\n%s", p.Name, p.tail())
		}
		if log := p.tail(); strings.Contains(log, "panic:") || strings.Contains(log, canary) {
			c.Errorf("the log of %s has a panic, or a secret", p.Name)
		}
	}
	if got := gittest.LsRemote(c, c.node.gitURL("good")); got != c.good {
		c.Errorf("the repository that is well is served otherwise:\n%s", got)
	}
	c.up.Intercept(nil)
}

// ask sends a request and returns its status, its problem if it has one, and its body.
// An answer has five seconds.
func (c *corpus) ask(p *proc, method, path, body string, header ...string) (int, api.Problem, string) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, p.HTTP+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	began := time.Now()
	resp, err := c.client.Do(req)
	if err != nil {
		c.Fatalf("%s %.100s: %v", method, path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	if d := time.Since(began); d > 5*time.Second {
		c.Errorf("%s %.100s: an answer after %s", method, path, d)
	}
	var problem api.Problem
	if resp.Header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(data, &problem); err != nil {
			c.Errorf("%s %.100s: the problem is no JSON: %v", method, path, err)
		}
	}
	if strings.Contains(string(data), canary) {
		c.Errorf("%s %.100s: the answer repeats a secret: %s", method, path, data)
	}
	return resp.StatusCode, problem, string(data)
}

// field is a JSON object of strings.
func fields(kv ...string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	data, _ := json.Marshal(m)
	return string(data)
}

// refused wants an addition to be refused, with that status and one of the codes, with
// words and without a trace.
func (c *corpus) refused(p *proc, body string, status int, codes ...string) {
	c.Helper()
	before, err := p.client.Status(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	got, problem, answer := c.ask(p, http.MethodPost, "/api/v1/repos", body)
	known := false
	for _, code := range codes {
		known = known || problem.Code == code
	}
	if got != status || !known || problem.Detail == "" {
		c.Errorf("%.120s: %d %s, want %d %v: %.300s", body, got, problem.Code, status, codes, answer)
	}
	if after, err := p.client.Status(c.Context()); err != nil || after.Repos.Total != before.Repos.Total {
		c.Errorf("%.120s: something was added: %v", body, err)
	}
}

// urls wants each URL to be refused with that code, on both nodes.
func (c *corpus) urls(code string, urls ...string) {
	c.Helper()
	for _, u := range urls {
		c.refused(c.node, fields("url", u), 400, code, "url_invalid", "url_scheme", "url_host")
		c.refused(c.closed, fields("url", u), 400, code, "url_invalid", "url_scheme", "url_host")
	}
}

// names wants each name to be refused.
func (c *corpus) names(names ...string) {
	c.Helper()
	for _, n := range names {
		c.refused(c.node, fields("url", "https://example.invalid/x", "name", n), 400, "name_invalid")
	}
}

// mirror adds the forge's repository under the id of the row, and returns its name.
func (c *corpus) mirror(path string) string {
	c.Helper()
	return c.mirrorURL(c.up.URL(path))
}

func (c *corpus) mirrorURL(url string) string {
	c.Helper()
	name := fmt.Sprintf("row-%d", c.rows)
	if status, p, _ := c.ask(c.node, http.MethodPost, "/api/v1/repos", fields("url", url, "name", name, "interval", "1s")); status != 201 {
		c.Fatalf("adding %s: %d %s: %s", url, status, p.Code, p.Detail)
	}
	c.Cleanup(func() { _ = c.node.client.Remove(context.WithoutCancel(c.Context()), name, "") })
	return name
}

// fails wants a repository to fail with one of the classes, and returns its error.
func (c *corpus) fails(p *proc, name string, classes ...string) *api.RepoError {
	c.Helper()
	var r *api.Repo
	testlog.EventuallyIn(c, 30*time.Second, name+" to fail as "+strings.Join(classes, " or "), func() bool {
		var err error
		if r, err = p.client.Repo(c.Context(), name); err != nil || r.Error == nil {
			return false
		}
		for _, class := range classes {
			if r.Error.Class == class {
				return true
			}
		}
		return false
	})
	if r.Error.Message == "" || strings.ContainsAny(r.Error.Message, "\x1b\n\r") {
		c.Errorf("%s fails without words that can be shown: %q", name, r.Error.Message)
	}
	return r.Error
}

// becomes waits until a repository is in that state.
func (c *corpus) becomes(name, state string) *api.Repo {
	c.Helper()
	var r *api.Repo
	testlog.EventuallyIn(c, 30*time.Second, name+" to be "+state, func() bool {
		var err error
		r, err = c.node.client.Repo(c.Context(), name)
		return err == nil && r.State == state
	})
	return r
}

// clones wants a clone of a repository to succeed, and to be whole.
func (c *corpus) clones(name string) string {
	c.Helper()
	dir := filepath.Join(c.TempDir(), "clone.git")
	gittest.Run(c, c.TempDir(), "clone", "--quiet", "--mirror", c.node.gitURL(name), dir)
	gittest.Run(c, dir, "fsck", "--strict")
	return dir
}

// trap listens on loopback, and counts who comes.
func (c *corpus) trap() (port string, came func() int32) {
	c.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = l.Close() })
	var n atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			_ = conn.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, n.Load
}
