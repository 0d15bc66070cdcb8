// Package fleet runs nodes as processes of the built binary on this machine: it starts
// them, tells when they serve, and ends them. Tests of the real binary, the demo and the
// benchmarks differ in what they ask of a node, and in when its end is a surprise: that is
// theirs.
package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gitmirror/internal/child"
)

// Node is a directory and ports, which outlive the processes that run as the node, one at
// a time.
type Node struct {
	Binary, Name string
	Dir          string   // the data directory
	Flags        []string // of every start
	Closed       bool     // may reach no upstream on this machine
	Bare         bool     // is started by its directory: it knows its name and addresses
	Env          []string // as exec.Cmd takes it
	Log          string   // the file that gets what is logged; empty: our stderr
	Spawner      *child.Spawner

	HTTP, Peer string // where it serves: free ports at the first start, later the same
	*Process          // the latest; nil before the first
}

// patience is how long a process may take until it serves.
const patience = time.Minute

// Start runs a process and returns when it serves. Where it does not come to that, or ctx
// ends before, no process is left. The directory is given as most people do, relative to
// where they are.
func (n *Node) Start(ctx context.Context, args ...string) error {
	http, peer := "127.0.0.1:0", "127.0.0.1:0"
	if n.HTTP != "" {
		http, peer = strings.TrimPrefix(n.HTTP, "http://"), n.Peer
	}
	who := []string{"--name", n.Name, "--http", http, "--peer", peer}
	if n.Bare {
		who = nil
	}
	args = slices.Concat([]string{"start", "-o", "json", "--data", filepath.Base(n.Dir)}, who, n.Flags, args)
	if !n.Closed {
		args = append(args, "--allow-upstream", "127.0.0.0/8")
	}
	cmd := exec.Command(n.Binary, args...)
	cmd.Dir, cmd.Env, cmd.Stderr = filepath.Dir(n.Dir), n.Env, os.Stderr
	if n.Log != "" {
		log, err := os.OpenFile(n.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer log.Close()
		cmd.Stderr = log
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := n.Spawner.Start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	p := &Process{name: n.Name, cmd: cmd, exited: make(chan struct{})}
	n.Process = p
	var where struct{ HTTP, Peer string }
	serves := make(chan struct{})
	go func() {
		if json.NewDecoder(out).Decode(&where) == nil {
			close(serves)
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		close(p.exited)
	}()
	silent := time.NewTimer(patience)
	defer silent.Stop()
	select {
	case <-serves:
		n.HTTP, n.Peer = where.HTTP, where.Peer
		return nil
	case <-p.exited:
		return fmt.Errorf("%s ended before it served: %s", n.Name, p.State())
	case <-silent.C:
		err = fmt.Errorf("%s does not serve after %s", n.Name, patience)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.Kill()
	return err
}
