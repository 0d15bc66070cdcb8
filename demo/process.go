package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gitmirror/api"
)

// process is a node.
type process struct {
	name string
	dir  string
	announced
	client *api.Client

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	ending bool // we have it end: its exit is no surprise
}

// announced is what a node says of itself on stdout once it serves.
type announced struct {
	HTTP string `json:"http"`
	Peer string `json:"peer"`
}

// startNode starts a node on free ports and returns when it serves. join is
// empty for the founder.
func (d *demo) startNode(ctx context.Context, name, join string) (*process, error) {
	n := &process{name: name, dir: filepath.Join(d.dir, name)}
	n.HTTP, n.Peer = "http://127.0.0.1:0", "127.0.0.1:0"
	d.mu.Lock()
	d.nodes = append(d.nodes, n)
	d.mu.Unlock()
	var args []string
	if join != "" {
		args = []string{"--join", join}
	}
	return n, d.launch(ctx, n, args...)
}

// restart starts a node that has ended, on the ports and the data it had, and
// returns when every running node takes it for up.
func (d *demo) restart(ctx context.Context, n *process) error {
	if err := d.launch(ctx, n); err != nil {
		return err
	}
	for _, other := range d.running() {
		err := await(ctx, failoverTimeout, fmt.Sprintf("%s to take %s for up", other.name, n.name), func(ctx context.Context) (bool, error) {
			st, err := other.client.Status(ctx)
			if err != nil || st.Leader == "" {
				return false, err
			}
			return slices.ContainsFunc(st.Nodes, func(of api.Node) bool { return of.Name == n.name && of.State == "up" }), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const launchTimeout = 30 * time.Second

func (d *demo) launch(ctx context.Context, n *process, more ...string) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find our own program: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(d.dir, n.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{"start", "-o", "json", "--name", n.name, "--data", n.dir, "--http", strings.TrimPrefix(n.HTTP, "http://"),
		"--peer", n.Peer, "--allow-upstream", "127.0.0.0/8"}, more...)
	cmd := exec.Command(exe, args...)
	cmd.Env = ownEnviron()
	stdout, out := io.Pipe()
	cmd.Stdout, cmd.Stderr = out, log
	if err := d.spawner.Start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	exited := make(chan struct{})
	n.mu.Lock()
	n.cmd, n.exited, n.ending = cmd, exited, false
	n.mu.Unlock()
	go func() {
		_ = cmd.Wait()
		_ = out.Close()
		n.mu.Lock()
		surprise := !n.ending
		n.mu.Unlock()
		if surprise {
			d.abort(fmt.Errorf("%s ended by itself: %s", n.name, cmd.ProcessState))
		}
		close(exited)
	}()
	heard := make(chan error, 1)
	var said announced
	go func() {
		heard <- json.NewDecoder(stdout).Decode(&said)
		_, _ = io.Copy(io.Discard, stdout)
	}()
	select {
	case err = <-heard:
	case <-time.After(launchTimeout):
		err = fmt.Errorf("it was silent for %s", launchTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s did not start: %w", n.name, errors.Join(err, errors.New(lastLines(log.Name(), 3))))
	}
	n.announced = said
	n.client = api.NewClient(n.HTTP)
	return nil
}

// ownEnviron is our environment without the settings of another node.
func ownEnviron() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GITMIRROR_") {
			env = append(env, kv)
		}
	}
	return env
}

func (n *process) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.exited == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

func (n *process) pid() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cmd.Process.Pid
}

// signal sends a signal that ends the node.
func (n *process) signal(s syscall.Signal) {
	if n.running() {
		n.mu.Lock()
		n.ending = true
		n.mu.Unlock()
		_ = n.cmd.Process.Signal(s)
	}
}

// kill ends the node as a power cut would.
func (n *process) kill() {
	n.signal(syscall.SIGKILL)
	<-n.exited
}

// terminate asks the node to end.
func (n *process) terminate() { n.signal(syscall.SIGTERM) }

// stopBound is how long a node may take to end in good order.
const stopBound = 10 * time.Second

// stop ends the node in good order, or else.
func (n *process) stop() {
	if !n.running() {
		return
	}
	n.terminate()
	select {
	case <-n.exited:
	case <-time.After(stopBound):
		n.kill()
	}
	if n.client != nil {
		n.client.Close()
	}
}
