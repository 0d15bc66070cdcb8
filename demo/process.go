package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"gitmirror/api"
	"gitmirror/internal/fleet"
)

// process is a node.
type process struct {
	fleet.Node
	client *api.Client
	ending *atomic.Bool // we have its process end: that is no surprise
}

// startNode starts a node on free ports and returns when it serves.
func (d *demo) startNode(ctx context.Context, name string, args ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find our own program: %w", err)
	}
	dir := filepath.Join(d.dir, name)
	n := &process{Node: fleet.Node{Binary: exe, Name: name, Dir: dir, Env: ownEnviron(), Log: dir + ".log", Spawner: d.spawner}}
	d.mu.Lock()
	d.nodes = append(d.nodes, n)
	d.mu.Unlock()
	return n, d.launch(ctx, n, args...)
}

// restart starts a node that has ended, on the ports and the data it had, and
// returns when every running node takes it for up.
func (d *demo) restart(ctx context.Context, n *process) error {
	if err := d.launch(ctx, n); err != nil {
		return err
	}
	for _, other := range d.running() {
		err := await(ctx, failoverTimeout, fmt.Sprintf("%s to take %s for up", other.Name, n.Name), func(ctx context.Context) (bool, error) {
			st, err := other.client.Status(ctx)
			if err != nil || st.Leader == "" {
				return false, err
			}
			return slices.ContainsFunc(st.Nodes, func(of api.Node) bool { return of.Name == n.Name && of.State == "up" }), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// launch starts the node's process. Its end ends the story, unless it is ours.
func (d *demo) launch(ctx context.Context, n *process, more ...string) error {
	if err := n.Start(ctx, more...); err != nil {
		return errors.Join(err, errors.New(lastLines(n.Log, 3)))
	}
	ending, p := &atomic.Bool{}, n.Process
	n.ending, n.client = ending, api.NewClient(n.HTTP)
	go func() {
		<-p.Exited()
		if !ending.Load() {
			d.abort(fmt.Errorf("%s ended by itself: %s", n.Name, p.State()))
		}
	}()
	return nil
}

// ownEnviron is our environment without the settings of another node.
func ownEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "GITMIRROR_") })
}

// end says that the end of the node's process is wanted, and then how.
func (n *process) end(how func()) {
	if n.Running() {
		n.ending.Store(true)
		how()
	}
}
