package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gitmirror/api"
)

// process is one node.
type process struct {
	binary, dir, name string
	http, peer        string
	timing            string
	join              string
	cmd               *exec.Cmd
	client            *api.Client
}

// start runs the node on free ports, later on the same, and waits until it
// serves.
func (p *process) start(ctx context.Context) error {
	http, peer := "127.0.0.1:0", "127.0.0.1:0"
	if p.http != "" {
		http, peer = strings.TrimPrefix(p.http, "http://"), p.peer
	}
	args := []string{"start", "-o", "json", "--name", p.name, "--data", filepath.Join(p.dir, p.name), "--http", http, "--peer", peer,
		"--allow-upstream", "127.0.0.0/8", "--raft-timing", p.timing, "--log-level", "error"}
	if p.join != "" {
		args = append(args, "--join", p.join)
	}
	p.cmd = exec.CommandContext(ctx, p.binary, args...)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	var where struct{ HTTP, Peer string }
	if err := json.NewDecoder(out).Decode(&where); err != nil {
		return fmt.Errorf("node %s does not start: %w", p.name, err)
	}
	p.http, p.peer = where.HTTP, where.Peer
	if p.client == nil {
		p.client = api.NewClient(p.http)
	}
	return nil
}

// three starts three nodes of one cluster. stop kills those that run.
func three(ctx context.Context, binary, dir, timing string) (nodes []*process, stop func(), err error) {
	stop = func() {
		for _, p := range nodes {
			p.kill()
		}
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		p := &process{binary: binary, dir: dir, name: name, timing: timing}
		if len(nodes) > 0 {
			p.join = nodes[0].peer
		}
		if err := p.start(ctx); err != nil {
			return nodes, stop, err
		}
		nodes = append(nodes, p)
	}
	return nodes, stop, nil
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu is what the process and its ended children have used so far.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:15] { // utime stime cutime cstime, see proc(5)
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	const perSecond = 100 // USER_HZ
	return time.Duration(ticks) * time.Second / perSecond, nil
}

// memory is what the process holds now, its resident set in bytes.
func (p *process) memory() (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		return 0, err
	}
	return resident * int64(os.Getpagesize()), nil
}

// until polls a condition; benchmarks have nothing better to do meanwhile.
func until(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
	return nil
}
