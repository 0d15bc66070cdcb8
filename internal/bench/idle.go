package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"gitmirror/internal/upstream"
)

// idleRepos measures what a node takes that has many repositories in which nothing happens, and
// checks each every five minutes. All are of one upstream, which repeats its answers.
func (m *mirrors) idleRepos(ctx context.Context) error {
	fmt.Printf("A node with %d idle repos, a check of each every 5 minutes\n", m.idle)
	up, err := upstream.Serve(filepath.Join(m.dir, "still"), "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer up.Close()
	const upstreams, interval = 20, 5 * time.Minute
	if err := populate(up, upstreams, 10); err != nil {
		return err
	}
	front, err := newReplay(up.URL(""))
	if err != nil {
		return err
	}
	defer front.Close()
	front.many = true
	p, err := m.single(ctx, "idle")
	if err != nil {
		return err
	}
	defer p.Kill()
	began := time.Now()
	for i := range m.idle {
		if err := p.add(ctx, fmt.Sprintf("%s/x%d/r%d", front.URL, i, i%upstreams), fmt.Sprintf("r%d", i), interval.String()); err != nil {
			return err
		}
	}
	added := time.Since(began)
	if err := p.ready(ctx, m.idle); err != nil {
		return err
	}
	fmt.Printf("  added within %s, all mirrored after %s\n", added.Round(time.Second), time.Since(began).Round(time.Second))
	// What a clone leaves behind is done with, and the first checks have come round.
	wait(ctx, max(30*time.Second, interval-time.Since(began)))
	before, err := p.cpu()
	if err != nil {
		return err
	}
	own, err := p.ownCPU()
	if err != nil {
		return err
	}
	n, since := front.checks.Load(), time.Now()
	var most int64
	for time.Since(since) < m.window && ctx.Err() == nil {
		wait(ctx, time.Second)
		rss, err := p.memory()
		if err != nil {
			return err
		}
		most = max(most, rss)
	}
	span := time.Since(since)
	after, err := p.cpu()
	if err != nil {
		return err
	}
	ownAfter, err := p.ownCPU()
	if err != nil {
		return err
	}
	fmt.Printf("  within %s: %d checks; %.1f %% of a core, %.1f %% the node itself, the rest its git (verification of new copies); RSS %d MiB at most\n",
		span.Round(time.Second), front.checks.Load()-n, 100*(after-before).Seconds()/span.Seconds(), 100*(ownAfter-own).Seconds()/span.Seconds(), most>>20)
	return ctx.Err()
}
