package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"gitmirror/api"
	"gitmirror/internal/upstream"
)

// checks measures the CPU time of checks that find nothing, of a node and of
// git fetch, against the same upstream, which runs in this process.
func checks(ctx context.Context, binary, dir string, window time.Duration) error {
	fmt.Printf("\nChecks that find nothing: CPU seconds per 1,000, the client's side alone\n")
	fmt.Printf("  %-12s %-16s %-16s %s\n", "refs", "gitmirror", "git fetch", "ratio")
	for _, refs := range []int{10, 10_000} {
		row := filepath.Join(dir, fmt.Sprintf("checks-%d", refs))
		up, err := upstream.Serve(filepath.Join(row, "upstream"), "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer up.Close()
		repos := 300
		if refs > 1000 {
			repos = 20
		}
		if err := populate(up, repos, refs); err != nil {
			return err
		}
		front, err := newReplay(up.URL(""))
		if err != nil {
			return err
		}
		defer front.Close()
		ours, n, err := nodeChecks(ctx, binary, row, front, repos, window)
		if err != nil {
			return err
		}
		theirs, m, err := fetchChecks(ctx, row, front, refs)
		if err != nil {
			return err
		}
		fmt.Printf("  %-12d %-16s %-16s %.0fx\n", refs, fmt.Sprintf("%.3f (n=%d)", ours, n), fmt.Sprintf("%.2f (n=%d)", theirs, m), theirs/ours)
	}
	return nil
}

func populate(up *upstream.Server, repos, refs int) error {
	for i := range repos {
		r, err := up.Repo(fmt.Sprintf("r%d", i))
		if err != nil {
			return err
		}
		err = r.Edit(func(e *upstream.Edit) {
			e.Commit("main", "one", map[string]string{"a": "a"})
			for k := range refs - 1 {
				e.Branch(fmt.Sprintf("b%d", k), "main")
			}
		})
		if err != nil {
			return err
		}
		if _, err := r.Git("pack-refs", "--all"); err != nil {
			return err
		}
	}
	return nil
}

// nodeChecks returns CPU seconds per 1,000 checks of one node: what it uses
// while it checks each repo once a second, less what it uses while it checks
// none.
func nodeChecks(ctx context.Context, binary, dir string, up *replay, repos int, window time.Duration) (float64, int, error) {
	idle, _, err := nodeWindow(ctx, binary, filepath.Join(dir, "idle"), up, repos, "8h", window)
	if err != nil {
		return 0, 0, err
	}
	busy, n, err := nodeWindow(ctx, binary, filepath.Join(dir, "busy"), up, repos, "1s", window)
	if err != nil {
		return 0, 0, err
	}
	if n == 0 {
		return 0, 0, fmt.Errorf("no check was counted in %s", window)
	}
	return (busy - idle).Seconds() / float64(n) * 1000, n, nil
}

// nodeWindow runs a node with the repos and returns its CPU time and the checks
// upstream saw in the window.
func nodeWindow(ctx context.Context, binary, dir string, up *replay, repos int, interval string, window time.Duration) (time.Duration, int, error) {
	p := cluster{binary: binary, dir: dir, timing: "normal"}.node("n1")
	if err := p.start(ctx); err != nil {
		return 0, 0, err
	}
	defer p.Kill()
	for i := range repos {
		name := fmt.Sprintf("r%d", i)
		if err := until(ctx, "a write to be accepted", func() bool {
			_, err := p.client.Add(ctx, api.AddRepo{URL: up.URL + "/" + name, Name: name, Interval: interval}, name)
			return err == nil
		}); err != nil {
			return 0, 0, err
		}
	}
	if err := until(ctx, "all clones", func() bool {
		s, err := p.client.Status(ctx)
		return err == nil && s.Repos.ByState[api.StateReady] == repos
	}); err != nil {
		return 0, 0, err
	}
	// One more interval, so that what a clone leaves behind is done with.
	wait(ctx, 3*time.Second)
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	n := up.checks.Load()
	wait(ctx, window)
	after, err := p.cpu()
	return after - before, int(up.checks.Load() - n), err
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// fetchChecks runs git fetch on an up-to-date mirror clone, as a cron job does.
func fetchChecks(ctx context.Context, dir string, up *replay, refs int) (float64, int, error) {
	clone := filepath.Join(dir, "clone.git")
	git := func(wd string, args ...string) (time.Duration, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir, cmd.Env = wd, upstream.Environ(dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
	}
	if _, err := git(dir, "clone", "--quiet", "--mirror", up.URL+"/r0", clone); err != nil {
		return 0, 0, err
	}
	n := 100
	if refs > 1000 {
		n = 30
	}
	var total time.Duration
	for range n {
		d, err := git(clone, "fetch", "--quiet", "--prune")
		if err != nil {
			return 0, 0, err
		}
		total += d
	}
	return total.Seconds() / float64(n) * 1000, n, nil
}
