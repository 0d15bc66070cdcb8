package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"gitmirror/api"
	"gitmirror/internal/upstream"
)

const (
	day   = 24 * time.Hour
	month = 30
	// pushesADay are those of a repository that is read once a day.
	pushesADay = 10
	// begunFor is how long after its start a node is compared with one that has nothing to read.
	begunFor = 4 * time.Second
)

// upkeep measures what verification and putting in order take of the processor, and works out what
// share of a core they take of 1,000 repositories.
func (m *mirrors) upkeep(ctx context.Context) error {
	fmt.Println("CPU that the keeping of a copy takes")
	up, r, err := m.serve(ctx)
	if err != nil {
		return err
	}
	defer up.Close()
	p, err := m.mirrored(ctx, "upkeep", up.URL("r"))
	if err != nil {
		return err
	}
	defer p.Kill()
	repos := filepath.Join(p.Dir, "repos")
	_, bytes, err := packsOf(repos)
	if err != nil {
		return err
	}
	gb := float64(bytes) / 1e9
	figure := func(what string, d []time.Duration) time.Duration {
		median := quantile(sorted(d), 0.5)
		fmt.Printf("  %s: %s, %.1f s a GB\n", what, seconds(d), median.Seconds()/gb)
		return median
	}
	first, err := p.maintained(ctx, "r", api.Verify)
	if err != nil {
		return err
	}
	figure("all proved, and git fsck", []time.Duration{first})
	var again, collect []time.Duration
	for range m.repeats {
		c, err := p.maintained(ctx, "r", api.Collect)
		if err != nil {
			return err
		}
		v, err := p.maintained(ctx, "r", api.Verify)
		if err != nil {
			return err
		}
		again, collect = append(again, v), append(collect, c)
	}
	figure("all written anew, with charts", collect)
	check := figure("what was written anew is read, and git fsck", again)

	// At each start a copy is read as it is each day.
	bare, err := m.single(ctx, "bare")
	if err != nil {
		return err
	}
	defer bare.Kill()
	var starts, still, pushed []time.Duration
	for range m.repeats {
		base, err := bare.restarted(ctx, false)
		if err != nil {
			return err
		}
		s, err := p.restarted(ctx, true)
		if err != nil {
			return err
		}
		if err := p.pushes(ctx, r, len(pushed)); err != nil {
			return err
		}
		d, err := p.restarted(ctx, true)
		if err != nil {
			return err
		}
		starts, still, pushed = append(starts, base), append(still, s), append(pushed, d)
	}
	base := quantile(sorted(starts), 0.5)
	less := func(d []time.Duration) (l []time.Duration) {
		for _, t := range d {
			l = append(l, t-base)
		}
		return l
	}
	figure("a daily reading, when nothing has changed", less(still))
	daily := figure(fmt.Sprintf("a daily reading, when %d pushes have come", pushesADay), less(pushed))
	fmt.Printf("  (each less the start of a node without copies, %s)\n", seconds(starts))
	share := func(d time.Duration, every float64) float64 {
		return 1000 * d.Seconds() / (every * day.Seconds()) * 100
	}
	fmt.Printf("  1,000 repos of this size: %.2f %% of a core to read them daily, %.2f %% to check them monthly\n", share(daily, 1), share(check, month))
	return nil
}

// pushes has a repository pushed to as often as in a day, and mirrored after each.
func (p *process) pushes(ctx context.Context, r *upstream.Repo, round int) error {
	for i := range pushesADay {
		err := r.Edit(func(e *upstream.Edit) {
			e.Commit("bench", fmt.Sprint("push ", round, i), map[string]string{fmt.Sprint("f", i): fmt.Sprint(round, i)})
		})
		if err != nil {
			return err
		}
		if _, err := p.client.Sync(ctx, "r", time.Minute); err != nil {
			return err
		}
	}
	return nil
}

// restarted starts a node anew, and returns what that took of the processor until it has settled; where
// it has a copy, until that has been read.
func (p *process) restarted(ctx context.Context, reads bool) (time.Duration, error) {
	p.Kill()
	began := time.Now()
	if err := p.start(ctx); err != nil {
		return 0, err
	}
	for reads {
		r, err := p.client.Repo(ctx, "r")
		if err == nil && len(r.Copies) > 0 && r.Copies[0].Upkeep != nil {
			if u := r.Copies[0].Upkeep; u.Error != "" {
				return 0, fmt.Errorf("a copy is not read: %s", u.Error)
			} else if u.Read != nil && u.Read.After(began) && u.Doing == "" {
				break
			}
		}
		if wait(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	wait(ctx, begunFor-time.Since(began))
	return p.cpu()
}
