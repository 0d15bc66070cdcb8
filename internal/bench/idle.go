package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"gitmirror/internal/upstream"
)

// quiet is a node with many repositories in which nothing happens, all of one upstream, which repeats
// its answers. stop ends both.
func (m *mirrors) quiet(ctx context.Context, name string) (p *process, front *replay, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range slices.Backward(stops) {
			s()
		}
	}
	up, err := upstream.Serve(filepath.Join(m.dir, name+"-still"), "127.0.0.1:0")
	if err != nil {
		return nil, nil, stop, err
	}
	stops = append(stops, func() { _ = up.Close() })
	const upstreams = 20
	if err := populate(up, upstreams, 10); err != nil {
		return nil, nil, stop, err
	}
	if front, err = newReplay(up.URL("")); err != nil {
		return nil, nil, stop, err
	}
	stops = append(stops, front.Close)
	front.many = true
	if p, err = m.single(ctx, name); err != nil {
		return nil, nil, stop, err
	}
	node := p
	stops = append(stops, func() { node.Kill() }) // whichever process it has by then
	began := time.Now()
	for i := range m.idle {
		if err := p.add(ctx, fmt.Sprintf("%s/x%d/r%d", front.URL, i, i%upstreams), fmt.Sprintf("r%d", i), quietEvery.String()); err != nil {
			return nil, nil, stop, err
		}
	}
	added := time.Since(began)
	if err := p.ready(ctx, m.idle); err != nil {
		return nil, nil, stop, err
	}
	fmt.Printf("  added within %s, all mirrored after %s\n", added.Round(time.Second), time.Since(began).Round(time.Second))
	return p, front, stop, nil
}

// quietEvery is how often each of them is checked.
const quietEvery = 5 * time.Minute

// firstReading measures what a node has in memory that starts with many copies, and reads them all.
func (m *mirrors) firstReading(ctx context.Context) error {
	fmt.Printf("A node that starts with %d copies, and reads them\n", m.idle)
	p, _, stop, err := m.quiet(ctx, "start")
	defer stop()
	if err != nil {
		return err
	}
	p.Kill()
	if err := p.start(ctx); err != nil {
		return err
	}
	var most int64
	for since := time.Now(); time.Since(since) < m.window && ctx.Err() == nil; wait(ctx, 100*time.Millisecond) {
		rss, err := p.memory()
		if err != nil {
			return err
		}
		most = max(most, rss)
	}
	count, err := p.count(ctx, `gitmirror_maintenance_runs_total{result="done",task="read"}`)
	if err != nil {
		return err
	}
	fmt.Printf("  within %s: %.0f copies read; RSS of the node %d MiB at most\n", m.window, count, most>>20)
	return ctx.Err()
}

// idleRepos measures what a node takes that has many repositories in which nothing happens, and
// checks each every five minutes.
func (m *mirrors) idleRepos(ctx context.Context) error {
	fmt.Printf("A node with %d idle repos, a check of each every 5 minutes\n", m.idle)
	began := time.Now()
	p, front, stop, err := m.quiet(ctx, "idle")
	defer stop()
	if err != nil {
		return err
	}
	// What a clone leaves behind is done with, and the first checks have come round.
	wait(ctx, max(30*time.Second, quietEvery-time.Since(began)))
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
