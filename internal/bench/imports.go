package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gitmirror/internal/network"
)

// imports measures how long the command line takes to import a list into three nodes,
// through one that does not lead, while the upstream refuses connections; then how long
// `status` and a page of repos take, and what the nodes hold in memory.
func imports(ctx context.Context, binary, dir string, lines int, timing string) error {
	closed, err := network.Host.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	port := closed.Addr().(*net.TCPAddr).Port
	if err := closed.Close(); err != nil {
		return err
	}
	list := filepath.Join(dir, "import.txt")
	if err := writeList(list, port, lines); err != nil {
		return err
	}
	nodes, stop, err := cluster{binary: binary, dir: filepath.Join(dir, "import"), timing: timing}.three(ctx)
	defer stop()
	if err != nil {
		return err
	}
	if err := settled(ctx, nodes); err != nil {
		return err
	}
	follower, err := following(ctx, nodes)
	if err != nil {
		return err
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, binary, "repo", "import", list, "--addr", follower.HTTP, "-q")
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	fmt.Printf("\nImport of %d lines by the command line into three nodes, through a follower: %s\n", lines, ms(time.Since(began)))
	used := map[string]time.Duration{}
	for _, p := range nodes {
		cpu, err := p.cpu()
		if err != nil {
			return err
		}
		used[p.Name] = cpu
	}
	usage := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	fmt.Printf("  the command itself used %.1f s of CPU\n", usage.Seconds())
	if err := until(ctx, "each node to know them all", func() bool {
		for _, p := range nodes {
			if s, err := p.client.Status(ctx); err != nil || s.Repos.Total != lines {
				return false
			}
		}
		return true
	}); err != nil {
		return err
	}
	fmt.Printf("  known to all three after %s\n", ms(time.Since(began)))
	var status, page []time.Duration
	for range 20 {
		at := time.Now()
		if _, err := follower.client.Status(ctx); err != nil {
			return err
		}
		status = append(status, time.Since(at))
		at = time.Now()
		if err := exec.CommandContext(ctx, binary, "repo", "ls", "--limit", "100", "--addr", follower.HTTP, "-q").Run(); err != nil {
			return fmt.Errorf("repo ls: %w", err)
		}
		page = append(page, time.Since(at))
	}
	fmt.Printf("  status, median of 20: %s; `repo ls --limit 100`, its process included: %s\n", ms(quantile(sorted(status), 0.5)), ms(quantile(sorted(page), 0.5)))
	for _, p := range nodes {
		rss, err := p.memory()
		if err != nil {
			return err
		}
		fmt.Printf("  %s holds %d MiB, and had used %.1f s of CPU when the import was done\n", p.Name, rss>>20, used[p.Name].Seconds())
	}
	return nil
}

func writeList(path string, port, lines int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for i := range lines {
		fmt.Fprintf(w, "http://127.0.0.1:%d/group%d/repository-%d\n", port, i%100, i)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// following is a node that does not lead.
func following(ctx context.Context, nodes []*process) (*process, error) {
	s, err := nodes[0].client.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range nodes {
		if p.Name != s.Leader {
			return p, nil
		}
	}
	return nil, fmt.Errorf("every node leads")
}
