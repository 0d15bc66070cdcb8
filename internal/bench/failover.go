package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"gitmirror/api"
	"gitmirror/internal/upstream"
)

// failover kills the leader again and again and measures how long it takes
// until the next write is accepted by one of the others.
func failover(ctx context.Context, binary, dir string, trials int, timing string) error {
	up, err := upstream.Serve(filepath.Join(dir, "failover-upstream"), "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer up.Close()
	nodes, stop, err := cluster{binary: binary, dir: filepath.Join(dir, "failover"), timing: timing}.three(ctx)
	defer stop()
	if err != nil {
		return err
	}
	var took []time.Duration
	for i := range trials {
		if err := settled(ctx, nodes); err != nil {
			return err
		}
		d, dead, err := trial(ctx, up, nodes, i)
		if err != nil {
			return err
		}
		took = append(took, d)
		if err := dead.start(ctx); err != nil {
			return err
		}
	}
	s := sorted(took)
	fmt.Printf("\nFailover, raft timing %s: kill -9 of the leader until the next write is accepted, %d trials\n", timing, trials)
	fmt.Printf("  %-8s %-8s %-8s %s\n", "median", "p95", "max", "min")
	fmt.Printf("  %-8s %-8s %-8s %s\n", ms(quantile(s, 0.5)), ms(quantile(s, 0.95)), ms(s[len(s)-1]), ms(s[0]))
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

func settled(ctx context.Context, nodes []*process) error {
	return until(ctx, "three voters up", func() bool {
		for _, p := range nodes {
			s, err := p.client.Status(ctx)
			if err != nil || s.Leader == "" || s.Tolerates != 1 || len(s.Nodes) != 3 {
				return false
			}
			for _, n := range s.Nodes {
				if n.State != "up" {
					return false
				}
			}
		}
		return true
	})
}

func trial(ctx context.Context, up *upstream.Server, nodes []*process, i int) (time.Duration, *process, error) {
	name := fmt.Sprintf("r%d", i)
	if _, err := up.Repo(name); err != nil {
		return 0, nil, err
	}
	s, err := nodes[0].client.Status(ctx)
	if err != nil {
		return 0, nil, err
	}
	var dead *process
	var rest []string
	for _, p := range nodes {
		if p.Name == s.Leader {
			dead = p
		} else {
			rest = append(rest, p.HTTP)
		}
	}
	client := api.NewClient(rest...)
	defer client.Close()
	began := time.Now()
	dead.Kill()
	err = until(ctx, "a write to be accepted", func() bool {
		_, err := client.Add(ctx, api.AddRepo{URL: up.URL(name), Name: name, Interval: "1h"}, name)
		return err == nil
	})
	return time.Since(began), dead, err
}
