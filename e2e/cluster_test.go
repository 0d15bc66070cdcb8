package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/child"
	"gitmirror/internal/fleet"
	"gitmirror/internal/testlog"
)

// binary is the gitmirror under test, with crash points, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gitmirror-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "gitmirror")
		build := exec.Command("go", "build", "-race", "-tags", "crashpoint", "-o", binary, "gitmirror")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the binary under test:", err)
			return 1
		}
		return m.Run()
	}())
}

// cluster is the nodes of one.
type cluster struct {
	t     *testing.T
	nodes []*proc
	flags []string // of every start
}

// proc is one node.
type proc struct {
	fleet.Node
	t      *testing.T
	client *api.Client // from the first start on
}

// spawner has the nodes of all tests end with us.
var spawner = child.New()

// newProc makes a node of the binary under test, in a directory of its own.
func newProc(t *testing.T, name string) *proc {
	dir := filepath.Join(t.TempDir(), name)
	p := &proc{t: t, Node: fleet.Node{Binary: binary, Name: name, Dir: dir, Log: dir + ".log", Flags: []string{"--log-level", "debug"}, Spawner: spawner}}
	t.Cleanup(p.end)
	return p
}

// newCluster starts n nodes, each with the extra environment, and waits until
// they are up and as many vote as shall.
func newCluster(t *testing.T, n int, env ...string) *cluster {
	t.Helper()
	return (&cluster{t: t}).grow(n, env...)
}

// sources has go test know that a result depends on all of our sources, which are in
// the binary under test and not in this one: it keeps account of the files that a test
// looks at, and a cached result would be of another binary.
var sources = sync.OnceValue(func() error {
	return filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	})
})

// grow starts n nodes of a cluster that has none.
func (f *cluster) grow(n int, env ...string) *cluster {
	f.t.Helper()
	for i := range n {
		f.join(fmt.Sprintf("n%d", i+1), env...)
	}
	f.settled(n)
	return f
}

func (f *cluster) join(name string, env ...string) *proc {
	f.t.Helper()
	p := newProc(f.t, name)
	p.Flags = append(p.Flags, f.flags...)
	var args []string
	if len(f.nodes) > 0 {
		args = []string{"--join", f.nodes[0].Peer}
	}
	f.nodes = append(f.nodes, p)
	p.start(env, args...)
	return p
}

// refused wants a start of p to end with that exit code and these words, and a
// hint.
func (p *proc) refused(code int, args []string, words ...string) {
	p.t.Helper()
	p.refusedIn(nil, code, args, words...)
}

// refusedIn is refused with further environment.
func (p *proc) refusedIn(env []string, code int, args []string, words ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Binary, append([]string{"start", "--name", p.Name, "--data", p.Dir, "--http", "127.0.0.1:0", "--peer", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), "Try:") {
		p.t.Errorf("the start of %s ended with %v, want exit code %d and a hint\n%s", p.Name, err, code, out)
	}
	for _, w := range words {
		if !strings.Contains(string(out), w) {
			p.t.Errorf("the refused start of %s does not say %q:\n%s", p.Name, w, out)
		}
	}
}

// ends wants the process to end by itself with that exit code and these words.
func (p *proc) ends(code int, words ...string) {
	p.t.Helper()
	select {
	case <-p.Exited():
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%s goes on", p.Name)
	}
	if got := p.State().ExitCode(); got != code {
		p.t.Errorf("%s ended with %d, want %d\n%s", p.Name, got, code, p.tail())
	}
	for _, w := range words {
		if !strings.Contains(p.tail(), w) {
			p.t.Errorf("%s ended without a word of %q:\n%s", p.Name, w, p.tail())
		}
	}
}

func (f *cluster) settled(n int) {
	f.t.Helper()
	tolerates := map[int]int{3: 1, 4: 1, 5: 2}[n]
	for _, p := range f.nodes {
		testlog.EventuallyIn(f.t, time.Minute, fmt.Sprintf("%d nodes up, as %s sees it", n, p.Name), func() bool {
			s, err := p.client.Status(f.t.Context())
			if err != nil || s.Leader == "" || s.Tolerates != tolerates || len(s.Nodes) != n {
				return false
			}
			for _, m := range s.Nodes {
				if m.State != "up" {
					return false
				}
			}
			return true
		})
	}
}

func (f *cluster) node(name string) *proc {
	f.t.Helper()
	for _, p := range f.nodes {
		if p.Name == name {
			return p
		}
	}
	f.t.Fatalf("no node %q", name)
	return nil
}

// others are the nodes but these.
func (f *cluster) others(but ...*proc) []*proc {
	var list []*proc
next:
	for _, p := range f.nodes {
		for _, b := range but {
			if p == b {
				continue next
			}
		}
		list = append(list, p)
	}
	return list
}

// leader is the node that leads, as the first that answers says.
func (f *cluster) leader() *proc {
	f.t.Helper()
	var name string
	testlog.Eventually(f.t, "a leader", func() bool {
		for _, p := range f.nodes {
			if s, err := p.client.Status(f.t.Context()); err == nil && s.Leader != "" {
				name = s.Leader
				return true
			}
		}
		return false
	})
	return f.node(name)
}

// start runs the node's process and waits until it serves.
func (p *proc) start(env []string, args ...string) {
	p.t.Helper()
	if err := sources(); err != nil {
		p.t.Fatal(err)
	}
	p.Env = append(os.Environ(), append([]string{"GITMIRROR_TEST_CANARY=canary"}, env...)...)
	if err := p.Start(p.t.Context(), args...); err != nil {
		p.t.Fatalf("%v\n%s", err, p.tail())
	}
	if p.client == nil {
		p.client = api.NewClient(p.HTTP)
		p.t.Cleanup(p.client.Close)
	}
}

func (p *proc) tail() string {
	data, _ := os.ReadFile(p.Log)
	return string(data[max(0, len(data)-60000):])
}

// end kills what is left and shows the log of a failed test.
func (p *proc) end() {
	p.Kill()
	data, _ := os.ReadFile(p.Log)
	if raced(string(data)) || strings.Contains(string(data), "panic:") {
		p.t.Errorf("%s raced or panicked:\n%s", p.Name, data)
	} else if p.t.Failed() {
		p.t.Logf("log of %s:\n%s", p.Name, p.tail())
	}
}

// raced tells whether a log has a report of a data race, but for one of the raft
// library's own (1.7.3): updateLastAppended reads the id of a peer, which never
// changes, without the lock under which startStopReplication replaces the peer.
func raced(log string) bool {
	for _, report := range strings.Split(log, "WARNING: DATA RACE")[1:] {
		report, _, _ = strings.Cut(report, "==================")
		if !strings.Contains(report, "raft.updateLastAppended()") || !strings.Contains(report, "raft.(*Raft).startStopReplication()") {
			return true
		}
	}
	return false
}

func (p *proc) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop wants an orderly end.
func (p *proc) stop() {
	p.t.Helper()
	if err := p.Stop(30 * time.Second); err != nil {
		p.t.Errorf("%v\n%s", err, p.tail())
	}
}

// all does something to several nodes at once.
func all(nodes []*proc, do func(*proc)) {
	var wg sync.WaitGroup
	for _, p := range nodes {
		wg.Go(func() { do(p) })
	}
	wg.Wait()
}
