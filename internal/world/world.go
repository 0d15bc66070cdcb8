// Package world puts whole nodes into a simulated world, where time, the network, upstreams
// and objects are made up, and everything else is the product: raft on its files, gossip,
// the state machine, the leader, agents, the mirror's scheduler and store, the API. It runs
// inside a bubble of testing/synctest, so that an hour takes as long as the work in it.
//
// What cannot be in it is git, real sockets, signals and power: package e2e has those.
package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
	"gitmirror/internal/world/fabric"
	"gitmirror/node"
)

// World is a cluster, its upstreams and its network.
type World struct {
	t       testing.TB
	dir     string
	Fabric  *fabric.Fabric
	history *history
	log     *slog.Logger
	heard   contacts
	buried  func(dir string) // is told of the directory of a node that has crashed
	desk    *fabric.Host     // where people sit
	browser *http.Client

	mu        sync.Mutex
	upstreams map[string]*Upstream
	Nodes     []*Node
}

// New returns a world without nodes. It is called, and used, inside a bubble; dir is outside.
func New(t testing.TB, seed uint64, dir string, log *slog.Logger) *World {
	f := fabric.New(seed)
	desk := f.Host("10.0.9.1")
	return &World{t: t, log: log, dir: dir, Fabric: f, history: newHistory(), buried: func(string) {}, desk: desk, upstreams: map[string]*Upstream{},
		browser: &http.Client{Transport: &http.Transport{DialContext: desk.DialContext, DisableKeepAlives: true}}}
}

// End stops every node in good order, and waits until nothing is left of them.
func (w *World) End() error {
	var errs []error
	for _, n := range w.Nodes {
		errs = append(errs, n.Stop())
		n.Client.Close()
	}
	time.Sleep(time.Minute) // gossip's last questions
	return errors.Join(errs...)
}

// Upstream returns a repository of somebody else with one branch, main.
func (w *World) Upstream(name string) *Upstream {
	w.mu.Lock()
	url := "https://forge.example/" + name
	u := w.upstreams[url]
	if u == nil {
		u = &Upstream{of: w, URL: url, refs: map[string]string{}, head: "main"}
		w.upstreams[url] = u
	}
	w.mu.Unlock()
	if len(u.Refs()) == 0 {
		u.Push("main")
	}
	return u
}

func (w *World) upstream(url string) *Upstream {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.upstreams[url]
}

func (w *World) everyUpstream() []*Upstream {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.upstreams))
}

// at is the node with that peer address.
func (w *World) at(peer string) *Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.Nodes {
		if n.peer() == peer {
			return n
		}
	}
	return nil
}

// Node is a node of the cluster, and the machine it runs on.
type Node struct {
	of     *World
	Name   string
	Host   *fabric.Host
	Client *api.Client

	mu   sync.Mutex
	Dir  string // its data directory
	life int
	runs int      // processes that were started
	run  *process // nil while it does not run
}

// process is one run of a node.
type process struct {
	line *line
	disk *platter
	stop context.CancelFunc
	done chan struct{} // closed when it has ended
	err  error         // with which, then
}

func (n *Node) peer() string { return n.Host.IP() + ":81" }

// Add makes a machine, on which nothing runs yet.
func (w *World) Add() *Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := len(w.Nodes) + 1
	n := &Node{of: w, Name: fmt.Sprintf("n%d", i), Host: w.Fabric.Host(fmt.Sprintf("10.0.0.%d", i)), Dir: filepath.Join(w.dir, fmt.Sprintf("n%d.0", i))}
	n.Client = api.NewClientOn(w.desk, "http://"+n.Host.IP()+":80")
	w.Nodes = append(w.Nodes, n)
	return n
}

// replaceAfter is how long a node that is down is expected back.
const replaceAfter = 10 * time.Minute

// Start runs the node, and returns when it serves, or has ended. It joins who is there
// already where it has no cluster of its own.
func (n *Node) Start(join ...*Node) error {
	ctx, stop := context.WithCancel(context.Background())
	p := &process{line: &line{Host: n.Host, cut: make(chan struct{})}, disk: newPlatter(), stop: stop, done: make(chan struct{})}
	cfg := node.Config{
		Name: n.Name, Dir: n.dir(), HTTP: n.Host.IP() + ":80", Peer: n.peer(), Timing: "normal", ReplaceAfter: replaceAfter, MinFree: -1,
		InsecurePeers: true, InsecureAPI: true, Version: "world", Network: p.line, Disk: p.disk.disk(), Upstream: upstreams{n}, Log: n.of.log,
		Objects: &objects{of: n.of, node: n.Name, client: &http.Client{Transport: &http.Transport{DialContext: p.line.DialContext, DisableKeepAlives: true}}},
	}
	for _, j := range join {
		cfg.Join = append(cfg.Join, j.peer())
	}
	ready := make(chan struct{})
	cfg.Ready = func(node.Info) { close(ready) }
	n.mu.Lock()
	n.run, n.runs = p, n.runs+1
	n.mu.Unlock()
	go func() {
		p.err = node.Run(ctx, cfg)
		n.of.log.Info("a process has ended", "node", n.Name, "err", p.err)
		if p.err != nil || p.disk.hasFailed() { // what it leaves open, a real one's end would close
			n.bury(p)
		}
		n.mu.Lock()
		if n.run == p {
			n.run = nil
		}
		n.mu.Unlock()
		close(p.done)
	}()
	select {
	case <-ready:
		return nil
	case <-p.done:
		if p.err == nil { // it was told to stop meanwhile
			return nil
		}
		return fmt.Errorf("node %s: %w", n.Name, p.err)
	}
}

func (n *Node) dir() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Dir
}

func (n *Node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run != nil
}

// alive is the process that runs now.
func (n *Node) alive() lifeOf {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run == nil {
		return lifeOf{}
	}
	return lifeOf{n.Name, n.runs}
}

// feel changes how the disk of a node that runs is: "full", "failing" for one
// operation, or well again.
func (n *Node) feel(mood string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run != nil {
		n.run.disk.feel(mood)
	}
}

// Stop ends the node in good order.
func (n *Node) Stop() error {
	n.mu.Lock()
	p := n.run
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	p.stop()
	<-p.done
	return p.err
}

// Crash ends the node as SIGKILL does: what is on its disk is there when it starts again,
// and nothing that it would have written after.
//
// after is how many more operations of its disk are done before, if it does so many within a
// few seconds.
func (n *Node) Crash(after int) {
	n.mu.Lock()
	p := n.run
	n.mu.Unlock()
	if p == nil {
		return
	}
	if after > 0 {
		p.disk.goAfter(after)
		select {
		case <-p.disk.gone:
		case <-time.After(3 * time.Second):
		case <-p.done:
		}
	}
	p.disk.goNow()
	synctest.Wait() // until what was begun is done
	n.bury(p)
	p.stop()
}

// bury takes a process's network and disk away, and leaves the node what is on the disk.
func (n *Node) bury(p *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run != p {
		return
	}
	n.run = nil
	p.disk.goNow()
	close(p.line.cut)
	n.Host.Crash()
	n.life++
	left := n.Dir
	n.Dir = filepath.Join(n.of.dir, fmt.Sprintf("%s.%d", n.Name, n.life))
	if err := os.CopyFS(n.Dir, os.DirFS(left)); err != nil {
		n.of.t.Errorf("copy the directory of %s: %v", n.Name, err)
	}
	n.of.buried(n.Dir)
	go func() {
		<-p.done
		_ = os.RemoveAll(left)
	}()
}

// line is a machine's network as one process on it has it: it is cut for good when that
// process is killed.
type line struct {
	*fabric.Host
	cut chan struct{}
}

func (l *line) down() error {
	select {
	case <-l.cut:
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ENETDOWN)}
	default:
		return nil
	}
}

func (l *line) Listen(address string) (net.Listener, error) {
	if err := l.down(); err != nil {
		return nil, err
	}
	return l.Host.Listen(address)
}

func (l *line) ListenPacket(address string) (net.PacketConn, error) {
	if err := l.down(); err != nil {
		return nil, err
	}
	return l.Host.ListenPacket(address)
}

func (l *line) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := l.down(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-l.cut:
			cancel()
		case <-stop:
		}
	}()
	c, err := l.Host.DialContext(ctx, network, address)
	if err == nil && l.down() != nil {
		_ = c.Close()
		return nil, l.down()
	}
	return c, err
}
