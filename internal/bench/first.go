package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gitmirror/internal/upstream"
)

// first measures the first mirror of a repository, beside git fetch that looks at each object, in
// turns. The CPU is the client's.
func (m *mirrors) first(ctx context.Context) error {
	fmt.Println("First mirror, beside git fetch with fetch.fsckObjects, in turns")
	up, _, err := m.serve(ctx)
	if err != nil {
		return err
	}
	defer up.Close()
	var ours, theirs, oursCPU, theirsCPU []time.Duration
	for i := range m.repeats {
		for k := range 2 {
			dir := filepath.Join(m.dir, fmt.Sprint("first-", i, "-", k))
			if (i+k)%2 == 0 {
				wall, cpu, err := m.mirrorOnce(ctx, filepath.Base(dir), up.URL("r"))
				if err != nil {
					return err
				}
				ours, oursCPU = append(ours, wall), append(oursCPU, cpu)
			} else {
				wall, cpu, err := fetchOnce(ctx, dir, up.URL("r"))
				if err != nil {
					return err
				}
				theirs, theirsCPU = append(theirs, wall), append(theirsCPU, cpu)
			}
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	fmt.Printf("  gitmirror   wall %s; CPU %s\n", seconds(ours), seconds(oursCPU))
	fmt.Printf("  git fetch   wall %s; CPU %s\n", seconds(theirs), seconds(theirsCPU))
	fmt.Printf("  ratio       %.2f; %.2f\n", ratio(ours, theirs), ratio(oursCPU, theirsCPU))
	return nil
}

// mirrorOnce has a new node mirror it. The time is that from when it was added until it is ready.
func (m *mirrors) mirrorOnce(ctx context.Context, name, url string) (wall, cpu time.Duration, err error) {
	p, err := m.single(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	defer p.Kill()
	if err := until(ctx, "a leader", func() bool {
		s, err := p.client.Status(ctx)
		return err == nil && s.Leader != ""
	}); err != nil {
		return 0, 0, err
	}
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := p.add(ctx, url, "r", "8h"); err != nil {
		return 0, 0, err
	}
	if err := p.ready(ctx, 1); err != nil {
		return 0, 0, err
	}
	wall = time.Since(began)
	after, err := p.cpu()
	return wall, after - before, err
}

func fetchOnce(ctx context.Context, dir, url string) (wall, cpu time.Duration, err error) {
	r, err := upstream.Create(dir)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	cpu, err = git(ctx, r.Dir, "-c", "fetch.fsckObjects=true", "-c", "gc.auto=0", "fetch", "--quiet", "--no-tags", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	return time.Since(began), cpu, err
}
