// Package demo is the whole story in about a minute: three node processes,
// upstream repositories that change, a leader that is killed, and a comparison
// of everything the survivors serve with upstream, ref by ref.
//
// It sees the nodes as any user does: through their API and through git.
// Whatever happens it leaves no process and no file behind; where it is killed
// itself, its nodes end with it.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"
	"gitmirror/internal/child"
	"gitmirror/internal/upstream"
)

// Options say what is shown.
type Options struct {
	Upstreams []string       // real repositories to mirror, instead of the samples
	Keep      bool           // leave the cluster running until the context ends
	Sabotage  bool           // drop a ref from one copy behind the cluster's back
	Out       io.Writer      // where the story is told
	Print     render.Printer // draws tables onto Out
}

// ErrNoGit is why there can be no demo: upstream, and the comparison, are git.
var ErrNoGit = errors.New("git was not found on PATH")

// Run tells the story. It returns Differences where a mirror does not show
// what upstream has.
func Run(ctx context.Context, o Options) (err error) {
	if _, err := exec.LookPath("git"); err != nil {
		return ErrNoGit
	}
	dir, err := os.MkdirTemp("", "gitmirror-demo-")
	if err != nil {
		return fmt.Errorf("make a directory to work in: %w", err)
	}
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	d := &demo{Options: o, teller: &teller{out: o.Out, began: time.Now()}, dir: dir, spawner: child.New(), abort: abort}
	defer func() {
		if ctx.Err() != nil && err != nil {
			err = context.Cause(ctx) // what else went wrong followed from it
		}
		if err != nil && !errors.Is(err, context.Canceled) && !errors.As(err, new(Differences)) && !errors.As(err, new(*api.Problem)) {
			d.showLogs()
		}
		err = errors.Join(err, d.cleanUp())
	}()
	return d.run(ctx)
}

// demo is one run of the story.
type demo struct {
	Options
	*teller
	spawner *child.Spawner
	dir     string
	abort   context.CancelCauseFunc // ends the story, with the reason
	nodes   []*process
	forge   *upstream.Server
	mirrors []*mirrored
	late    *mirrored       // added after the leader's death
	orphans map[string]bool // what the dead leader owned

	sabotaged string // what is missing where, empty where nothing is
}

// run is the story, chapter by chapter.
func (d *demo) run(ctx context.Context) error {
	chapters := []func(context.Context) error{d.startNodes, d.makeUpstreams, d.mirrorThem, d.showCluster, d.changeUpstream, d.followIndex, d.killLeader, d.changeAgain}
	if d.Sabotage {
		chapters = append(chapters, d.sabotage)
	}
	chapters = append(chapters, d.compare)
	for _, chapter := range chapters {
		if err := chapter(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	d.say("\nAll is well: what every surviving node serves is what upstream has. It took %s.", seconds(time.Since(d.began)))
	if d.Keep {
		return d.keep(ctx)
	}
	return nil
}

func (d *demo) startNodes(ctx context.Context) error {
	done := d.chapter("Start three nodes, each a process of its own")
	first, err := d.startNode(ctx, "n1")
	if err != nil {
		return err
	}
	type started struct {
		n   *process
		err error
	}
	joined := make(chan started, 2)
	for _, name := range []string{"n2", "n3"} {
		go func() {
			n, err := d.startNode(ctx, name, "--join", first.Peer)
			joined <- started{n, err}
		}()
	}
	for range 2 {
		if s := <-joined; s.err != nil {
			err = errors.Join(err, s.err)
		}
	}
	if err != nil {
		return err
	}
	var st *api.Status
	err = await(ctx, 30*time.Second, "three nodes that tolerate the loss of one", func(ctx context.Context) (bool, error) {
		var err error
		st, err = first.client.Status(ctx)
		return err == nil && st.Verdict == api.Healthy && len(st.Nodes) == 3 && st.Tolerates == 1, err
	})
	if err != nil {
		return err
	}
	done()
	for _, n := range st.Nodes {
		d.say("   %s  %s  %s", n.Name, n.HTTP, n.Role)
	}
	return nil
}

func (d *demo) showCluster(ctx context.Context) error {
	d.chapter("The cluster now")()
	c := d.client()
	defer c.Close()
	st, err := c.Status(ctx)
	if err != nil {
		return err
	}
	list, err := c.Repos(ctx, api.Query{Limit: 500})
	if err != nil || d.out == nil {
		return err
	}
	p := d.Print
	p.Now = time.Now()
	if err := p.Status(st); err != nil {
		return err
	}
	d.say("")
	return p.Repos(list.Repos)
}

// keep leaves the cluster to the user, the killed node back in it.
func (d *demo) keep(ctx context.Context) error {
	for _, n := range d.nodes {
		if !n.Running() {
			if err := d.restart(ctx, n); err != nil {
				return err
			}
			d.say("\n%s, which was killed, is back.", n.Name)
		}
	}
	addr := d.nodes[0].HTTP
	some := d.mirrors[0].name
	d.say(`
The cluster stays until you press Ctrl-C. In another terminal, try:
  %[1]s status --addr %[2]s
  %[1]s repo ls --addr %[2]s
  %[1]s repo show %[3]s --addr %[2]s
  %[1]s repo sync %[3]s --wait --addr %[2]s
  %[1]s repo add https://github.com/git/git-manpages --wait --addr %[2]s
  %[4]s
  kill -9 %[5]d     # that is %[6]s`, program(), addr, some, render.CloneCommand(addr, some), d.nodes[0].Pid(), d.nodes[0].Name)
	<-ctx.Done()
	return nil
}

// program is how the user calls us: a binary that "go run" made has no name
// that lasts.
func program() string {
	exe, err := os.Executable()
	if found, lookErr := exec.LookPath("gitmirror"); err != nil || lookErr == nil && sameFile(found, exe) {
		return "gitmirror"
	}
	return exe
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// client asks the running nodes in turn.
func (d *demo) client() *api.Client {
	var addrs []string
	for _, n := range d.running() {
		addrs = append(addrs, n.HTTP)
	}
	return api.NewClient(addrs...)
}

func (d *demo) running() []*process {
	var list []*process
	for _, n := range d.nodes {
		if n.Running() {
			list = append(list, n)
		}
	}
	return list
}

func (d *demo) node(name string) *process {
	for _, n := range d.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// stopBound is how long a node may take to end in good order.
const stopBound = 10 * time.Second

// cleanUp ends every process and removes every file.
func (d *demo) cleanUp() error {
	var ends sync.WaitGroup
	for _, n := range d.nodes {
		ends.Go(func() { n.end(func() { _ = n.Stop(stopBound) }) })
	}
	ends.Wait()
	for _, n := range d.nodes {
		if n.client != nil {
			n.client.Close()
		}
	}
	var errs []error
	if d.forge != nil {
		errs = append(errs, d.forge.Close())
	}
	d.spawner.Close()
	// A git that a node had started may end a moment after it.
	err := await(context.Background(), 5*time.Second, "the removal of "+d.dir, func(context.Context) (bool, error) {
		err := os.RemoveAll(d.dir)
		return err == nil, err
	})
	return errors.Join(append(errs, err)...)
}

// showLogs prints the end of each node's log, for whoever looks at a failure.
func (d *demo) showLogs() {
	for _, n := range d.nodes {
		if lines := lastLines(n.Log, 12); lines != "" {
			d.say("\nThe end of the log of %s:\n%s", n.Name, lines)
		}
	}
}
