package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
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

// fleet is a cluster of processes.
type fleet struct {
	t     *testing.T
	nodes []*proc
	flags []string // of every start
}

// proc is one node; its directory and ports outlive its processes.
type proc struct {
	t          *testing.T
	name, dir  string
	binary     string // another than the one under test, may be empty
	flags      []string
	closed     bool   // may reach no upstream on this machine
	http, peer string // fixed by the first start
	client     *api.Client
	cmd        *exec.Cmd
	exited     chan struct{}
	state      *os.ProcessState
	log        *os.File
}

// newFleet starts n nodes, each with the extra environment, and waits until
// they are up and as many vote as shall.
func newFleet(t *testing.T, n int, env ...string) *fleet {
	t.Helper()
	return (&fleet{t: t}).grow(n, env...)
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

// grow starts n nodes of a fleet that has none.
func (f *fleet) grow(n int, env ...string) *fleet {
	f.t.Helper()
	for i := range n {
		f.join(fmt.Sprintf("n%d", i+1), env...)
	}
	f.settled(n)
	return f
}

func (f *fleet) join(name string, env ...string) *proc {
	f.t.Helper()
	p := &proc{t: f.t, name: name, dir: filepath.Join(f.t.TempDir(), name), flags: f.flags}
	var args []string
	if len(f.nodes) > 0 {
		args = []string{"--join", f.nodes[0].peer}
	}
	f.nodes = append(f.nodes, p)
	p.start(env, args...)
	return p
}

// refused wants a start of p to end with that exit code and these words, and a
// hint.
func (p *proc) refused(code int, args []string, words ...string) {
	p.t.Helper()
	program := binary
	if p.binary != "" {
		program = p.binary
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"start", "--name", p.name, "--data", p.dir, "--http", "127.0.0.1:0", "--peer", "127.0.0.1:0"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), "Try:") {
		p.t.Errorf("the start of %s ended with %v, want exit code %d and a hint\n%s", p.name, err, code, out)
	}
	for _, w := range words {
		if !strings.Contains(string(out), w) {
			p.t.Errorf("the refused start of %s does not say %q:\n%s", p.name, w, out)
		}
	}
}

// ends wants the process to end by itself with that exit code and these words.
func (p *proc) ends(code int, words ...string) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%s goes on", p.name)
	}
	if got := p.state.ExitCode(); got != code {
		p.t.Errorf("%s ended with %d, want %d\n%s", p.name, got, code, p.tail())
	}
	for _, w := range words {
		if !strings.Contains(p.tail(), w) {
			p.t.Errorf("%s ended without a word of %q:\n%s", p.name, w, p.tail())
		}
	}
}

func (f *fleet) settled(n int) {
	f.t.Helper()
	tolerates := map[int]int{3: 1, 4: 1, 5: 2}[n]
	for _, p := range f.nodes {
		testlog.EventuallyIn(f.t, time.Minute, fmt.Sprintf("%d nodes up, as %s sees it", n, p.name), func() bool {
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

func (f *fleet) node(name string) *proc {
	f.t.Helper()
	for _, p := range f.nodes {
		if p.name == name {
			return p
		}
	}
	f.t.Fatalf("no node %q", name)
	return nil
}

// others are the nodes but these.
func (f *fleet) others(but ...*proc) []*proc {
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
func (f *fleet) leader() *proc {
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
	http, peer := "127.0.0.1:0", "127.0.0.1:0"
	if p.http != "" {
		http, peer = strings.TrimPrefix(p.http, "http://"), p.peer
	}
	args = append([]string{"start", "-o", "json", "--name", p.name, "--data", filepath.Base(p.dir), "--http", http, "--peer", peer,
		"--log-level", "debug"}, slices.Concat(p.flags, args)...)
	if !p.closed {
		args = append(args, "--allow-upstream", "127.0.0.0/8")
	}
	if p.log == nil {
		f, err := os.Create(filepath.Join(p.t.TempDir(), p.name+".log"))
		if err != nil {
			p.t.Fatal(err)
		}
		p.log = f
		p.t.Cleanup(p.end)
	}
	program := binary
	if p.binary != "" {
		program = p.binary
	}
	if err := sources(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = filepath.Dir(p.dir) // a relative --data, as most people have
	p.cmd.Env = append(os.Environ(), append([]string{"GITMIRROR_TEST_CANARY=canary"}, env...)...)
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	type where struct{ HTTP, Peer string }
	ready := make(chan where, 1)
	p.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		var w where
		if json.NewDecoder(out).Decode(&w) == nil {
			ready <- w
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		p.state = cmd.ProcessState
		close(exited)
	}(p.cmd, p.exited)
	select {
	case info := <-ready:
		p.http, p.peer = info.HTTP, info.Peer
		if p.client == nil {
			p.client = api.NewClient(p.http)
			p.t.Cleanup(p.client.Close)
		}
	case <-p.exited:
		p.t.Fatalf("%s ended before it served: %v\n%s", p.name, p.state, p.tail())
	case <-time.After(time.Minute):
		p.t.Fatalf("%s does not serve\n%s", p.name, p.tail())
	}
}

func (p *proc) tail() string {
	data, _ := os.ReadFile(p.log.Name())
	return string(data[max(0, len(data)-60000):])
}

// end kills what is left and shows the log of a failed test.
func (p *proc) end() {
	if p.alive() {
		p.signal(syscall.SIGKILL)
		<-p.exited
	}
	data, _ := os.ReadFile(p.log.Name())
	if raced(string(data)) || strings.Contains(string(data), "panic:") {
		p.t.Errorf("%s raced or panicked:\n%s", p.name, data)
	} else if p.t.Failed() {
		p.t.Logf("log of %s:\n%s", p.name, p.tail())
	}
	_ = p.log.Close()
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

func (p *proc) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *proc) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("send %v to %s: %v", s, p.name, err)
	}
}

// kill is SIGKILL, and waits until the process is gone.
func (p *proc) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// stop is SIGTERM, and wants an orderly end.
func (p *proc) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%s does not end on SIGTERM", p.name)
	}
	if code := p.state.ExitCode(); code != 0 {
		p.t.Errorf("%s ended with %v on SIGTERM\n%s", p.name, p.state, p.tail())
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
