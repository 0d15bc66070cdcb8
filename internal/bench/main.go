// Command bench measures what gitmirror is chosen for, beside what its users
// would run otherwise, from separate processes on this machine: how long the
// cluster takes no writes after its leader is killed, what a check that finds
// nothing costs, how long an import of many repositories takes, and what the
// keeping of copies costs and brings.
//
// It prints figures and judges none.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	trials := flag.Int("trials", 20, "leaders to kill")
	timing := flag.String("raft-timing", "normal", "raft timing of the nodes")
	seconds := flag.Int("seconds", 20, "how long to count checks")
	only := flag.String("only", "", "failover, checks, import, mirror, or figures of mirror with commas between: packs, clone, first, idle, start, upkeep; empty: the first two")
	lines := flag.Int("lines", 100_000, "repos to import")
	var m mirrors
	flag.StringVar(&m.path, "repo", "", "mirror: a bare repository to clone, mirror and keep; empty: one is made")
	flag.IntVar(&m.size, "size", 300, "mirror: MiB of the one that is made, before it is packed anew")
	flag.IntVar(&m.repeats, "repeats", 5, "mirror: how often each is measured")
	flag.IntVar(&m.clones, "clones", 5, "mirror: how many of the repeats are clones whose client keeps what it gets")
	flag.IntVar(&m.syncs, "syncs", 500, "mirror: pushes that are counted the packs of")
	flag.IntVar(&m.idle, "idle", 10_000, "mirror: repos in which nothing happens")
	flag.DurationVar(&m.window, "window", 5*time.Minute, "mirror: how long those are watched")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *trials, *timing, *seconds, *lines, *only, &m); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, trials int, timing string, seconds, lines int, only string, m *mirrors) error {
	dir, err := os.MkdirTemp("", "gitmirror-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "gitmirror")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "gitmirror")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build gitmirror: %w", err)
	}
	fmt.Printf("Machine: %s, %d cores, %s, %s\n", cpuModel(), runtime.NumCPU(), runtime.Version(), gitVersion())
	if only == "import" {
		return imports(ctx, binary, dir, lines, timing)
	}
	if names := m.named(only); names != nil {
		m.binary, m.dir = binary, dir
		return m.run(ctx, names)
	}
	if only != "checks" {
		if err := failover(ctx, binary, dir, trials, timing); err != nil {
			return fmt.Errorf("failover: %w", err)
		}
	}
	if only != "failover" {
		if err := checks(ctx, binary, dir, time.Duration(seconds)*time.Second); err != nil {
			return fmt.Errorf("checks: %w", err)
		}
	}
	return nil
}

func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

func gitVersion() string {
	out, err := exec.Command("git", "version").Output()
	if err != nil {
		return "git missing"
	}
	return strings.TrimSpace(string(out))
}

// quantile of sorted values, by the nearest rank.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(q*float64(len(sorted))+0.9999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func sorted(d []time.Duration) []time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s
}
