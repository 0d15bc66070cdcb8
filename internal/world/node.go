package world

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"gitmirror/api"
	"gitmirror/cluster"
	"gitmirror/internal/disk"
	"gitmirror/internal/world/fabric"
	"gitmirror/node"
)

// Node is a node of the cluster, and the machine it runs on.
type Node struct {
	of     *World
	Name   string
	Host   *fabric.Host
	Client *api.Client
	clock  clock

	mu     sync.Mutex
	Dir    string // its data directory
	life   int
	runs   int      // processes that were started
	run    *process // nil while it does not run
	flags  flags
	harms  map[harm]bool // that were done to it, and are not mended
	marred bool          // its directory was touched, or taken away, once
	lost   bool          // it has ended for good: it has to be made anew
	// forsaken is set where people accept the loss of what it alone has.
	forsaken bool
	fixed    bool          // its disk is read-only, until that is mended
	lag      time.Duration // how long its disk takes for what is written
	busy     bool          // somebody starts it, or makes it anew

	unfollow context.CancelFunc // ends those who ask it for as long as the world lasts

	saved     string // its log as it was once, empty for none
	savedMark []byte // and how far it was
}

// flags are what a node is started with, and may be started with otherwise.
type flags struct {
	timing       string
	replaceAfter time.Duration
	minFree      float64
	byName       bool // it tells others its machine's name, not its address
	expect       int  // it founds a cluster with others once there are so many; 0: it does not
}

// replaceAfter is how long a node that is down is expected back, at least.
const replaceAfter = 2 * time.Minute

var firstFlags = flags{timing: "normal", replaceAfter: replaceAfter, minFree: -1}

// process is one run of a node.
type process struct {
	line *line
	disk *platter
	stop context.CancelFunc

	ready chan struct{} // closed when it serves
	done  chan struct{} // closed when it has ended
	err   error         // with which, then, and nil where it was killed
}

// hasToken tells whether a node has a credential for the source that some have one for.
func (n *Node) hasToken() bool { return n.Name == "n1" || n.Name == "n2" }

func (n *Node) peer() string { return n.Host.IP() + ":81" }

// hostName leads to a node's machine.
func (n *Node) hostName() string {
	return "m" + strings.ReplaceAll(n.Host.IP(), ".", "-") + ".example"
}

// Add makes a machine, on which nothing runs yet.
func (w *World) Add() *Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made++
	n := w.machine(fmt.Sprintf("n%d", w.made), fmt.Sprintf("10.0.0.%d", w.made))
	w.Nodes = append(w.Nodes, n)
	return n
}

// succeed makes a node with a name of its own on the machine of one that is lost for good.
func (w *World) succeed(old *Node) *Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made++
	n := w.machine(fmt.Sprintf("n%d", w.made), old.Host.IP())
	w.Nodes = append(w.Nodes, n)
	return n
}

// machine is one with that address, for a node of that name. The lock is held.
func (w *World) machine(name, ip string) *Node {
	n := &Node{of: w, Name: name, flags: firstFlags, harms: map[harm]bool{}}
	n.Host = w.Fabric.Host(ip)
	n.Dir = n.next()
	w.Fabric.Host(ip, n.hostName())
	n.Client = api.NewClientOn(w.desk, "http://"+ip+":80")
	w.machines = append(w.machines, n)
	return n
}

// config is what a process of the node is started with.
func (n *Node) config(p *process, join []*Node) node.Config {
	n.mu.Lock()
	f := n.flags
	n.mu.Unlock()
	cfg := node.Config{
		Name: n.Name, Dir: n.dir(), HTTP: n.Host.IP() + ":80", Peer: n.peer(), Expect: f.expect, Timing: f.timing, ReplaceAfter: f.replaceAfter, MinFree: f.minFree,
		InsecurePeers: true, InsecureAPI: true, Version: "world", Network: p.line, Disk: p.disk.disk(), Clock: n.clock.now, Upstream: upstreams{n}, Log: n.of.log,
		Objects: &objects{
			of: n.of, node: n.Name, written: p.disk.wait,
			client: &http.Client{Transport: &http.Transport{DialContext: p.line.DialContext, DisableKeepAlives: true}},
		},
	}
	cfg.Advertise, cfg.AdvertiseHTTP = cfg.Peer, cfg.HTTP
	if f.byName {
		cfg.Advertise, cfg.AdvertiseHTTP = n.hostName()+":81", n.hostName()+":80"
	}
	if n.hasToken() {
		first := accountName(0)
		cfg.SourceTokens = map[string]string{first + "@" + forgeOf(first): n.of.token}
	}
	for _, j := range join {
		cfg.Join = append(cfg.Join, j.peer())
	}
	return cfg
}

// Start runs the node, and returns when it serves, or has ended. It joins who is there
// already where it has no cluster of its own.
func (n *Node) Start(join ...*Node) error { return n.StartWithin(0, join...) }

// StartWithin is Start that gives up after a while, unless that is 0.
//
// Between fork and exec a child of any node has all files of the process, also the log that
// another process of this node has just closed. That takes moments of real time, for which
// the world's does not wait: then it is tried again.
func (n *Node) StartWithin(d time.Duration, join ...*Node) (err error) {
	for range 100 {
		if err = n.startOnce(d, join); !errors.Is(err, cluster.ErrLocked) {
			return err
		}
		really := syscall.NsecToTimespec(int64(5 * time.Millisecond))
		_ = syscall.Nanosleep(&really, nil)
	}
	return err
}

func (n *Node) startOnce(d time.Duration, join []*Node) error {
	ctx, stop := context.WithCancel(context.Background())
	p := &process{line: &line{Host: n.Host, cut: make(chan struct{})}, disk: newPlatter(n.sees, &n.of.ice), stop: stop, ready: make(chan struct{}), done: make(chan struct{})}
	cfg := n.config(p, join)
	cfg.Ready = func(node.Info) { close(p.ready) }
	n.mu.Lock()
	n.run, n.runs = p, n.runs+1
	if n.fixed {
		p.disk.feel("readonly")
	}
	p.disk.drag(n.lag)
	n.mu.Unlock()
	go func() {
		p.err = node.Run(ctx, cfg)
		n.of.log.Info("a process has ended", "node", n.Name, "err", p.err)
		alone, killed := ctx.Err() == nil, p.disk.isGone() // alone: nobody told it to
		if p.err != nil || p.disk.hasFailed() {            // what it leaves open, a real one's end would close
			n.bury(p)
		}
		if killed {
			alone, p.err = false, nil
		}
		n.mu.Lock()
		if n.run == p {
			n.run = nil
		}
		n.mu.Unlock()
		select {
		case <-p.ready:
			if alone && n.of.ended != nil {
				n.of.ended(n, p.err)
			}
		default: // whoever started it is told
		}
		close(p.done)
	}()
	var late <-chan time.Time
	if d > 0 {
		late = time.After(d)
	}
	select {
	case <-p.ready:
		return nil
	case <-late:
		p.disk.keepThawed()
		stop()
		<-p.done
		return errStarting
	case <-p.done:
		if p.err == nil {
			return errStopped
		}
		return fmt.Errorf("node %s: %w", n.Name, p.err)
	}
}

// sees takes in what a process is about to do to the node's disk.
func (n *Node) sees(op disk.Op) {
	n.of.candidates.note(op)
	n.of.lives.note(n, op)
	n.of.removals.note(n, op)
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

// serves tells whether it runs, and has started.
func (n *Node) serves() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run == nil {
		return false
	}
	select {
	case <-n.run.ready:
		return true
	default:
		return false
	}
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

// claim is true for one at a time who is to start the node, or to make it anew, until done.
func (n *Node) claim() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	was := n.busy
	n.busy = true
	return !was
}

func (n *Node) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy = false
}

// feel changes how the disk of a node is: "readonly" or well again; and where it runs,
// "full", or "failing" for one operation.
func (n *Node) feel(mood string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fixed = mood == "readonly"
	if n.run != nil {
		n.run.disk.feel(mood)
	}
}

// drag has the disk of a node take so long for everything that is written to its log, and for
// what is fetched: also when it has started again.
func (n *Node) drag(lag time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lag = lag
	if n.run != nil {
		n.run.disk.drag(lag)
	}
}

// freeze has nothing end any more that the process on a node writes, until thaw, or until it is
// told to stop. One that starts, or will meanwhile, is not frozen: it serves within startBound.
func (n *Node) freeze() {
	if !n.serves() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run != nil {
		n.bear(frozenDisk)
		n.run.disk.freeze()
	}
}

func (n *Node) thaw() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run != nil {
		n.run.disk.thaw()
	}
}

// frozen tells whether what its process writes does not end.
func (n *Node) frozen() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run != nil && n.run.disk.frozen()
}

// Stop ends the node in good order.
func (n *Node) Stop() error {
	n.mu.Lock()
	p := n.run
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	p.disk.keepThawed()
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
	n.of.waiting <- struct{}{}
	synctest.Wait() // until what was begun is done
	<-n.of.waiting
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
	left := n.Dir
	n.Dir = n.next()
	n.copied(left, n.Dir)
	if !n.harms[bitInLog] {
		n.of.buried(n.Dir)
	}
	go func() {
		<-p.done
		_ = os.RemoveAll(left)
	}()
}

// next is a directory that is not there yet. The lock is held.
func (n *Node) next() string {
	n.life++
	return filepath.Join(n.of.dir, fmt.Sprintf("%s.%s.%d", n.Name, n.Host.IP(), n.life))
}
