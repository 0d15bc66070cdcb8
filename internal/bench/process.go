package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/internal/child"
	"gitmirror/internal/fleet"
)

// process is one node.
type process struct {
	fleet.Node
	client *api.Client // from the first start on
}

// start runs the node and waits until it serves.
func (p *process) start(ctx context.Context, args ...string) error {
	err := errors.Join(os.MkdirAll(filepath.Dir(p.Dir), 0o755), p.Start(ctx, args...))
	if err == nil && p.client == nil {
		p.client = api.NewClient(p.HTTP)
	}
	return err
}

// cluster is what nodes have in common.
type cluster struct{ binary, dir, timing string }

// spawner has nodes end with us.
var spawner = child.New()

// node makes a node, which is not started yet.
func (c cluster) node(name string) *process {
	return &process{Node: fleet.Node{Binary: c.binary, Name: name, Dir: filepath.Join(c.dir, name), Spawner: spawner,
		Flags: []string{"--raft-timing", c.timing, "--log-level", "error"}}}
}

// three starts three nodes of one cluster. stop kills those that run.
func (c cluster) three(ctx context.Context) (nodes []*process, stop func(), err error) {
	stop = func() {
		for _, p := range nodes {
			p.Kill()
		}
	}
	var join []string
	for _, name := range []string{"n1", "n2", "n3"} {
		p := c.node(name)
		if err := p.start(ctx, join...); err != nil {
			return nodes, stop, err
		}
		nodes = append(nodes, p)
		join = []string{"--join", nodes[0].Peer}
	}
	return nodes, stop, nil
}

// cpu is what the process and its ended children have used so far.
func (p *process) cpu() (time.Duration, error) { return p.used(15) }

// ownCPU is what the process has used itself.
func (p *process) ownCPU() (time.Duration, error) { return p.used(13) }

// used adds up the times of /proc/PID/stat, see proc(5), up to a field: utime, stime, cutime, cstime.
func (p *process) used(upTo int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:upTo] {
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
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Pid()))
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

// count is what one of the node's metrics says, written with its labels; 0 for none.
func (p *process) count(ctx context.Context, metric string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.HTTP+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if value, is := strings.CutPrefix(line, metric+" "); is {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, nil
}
