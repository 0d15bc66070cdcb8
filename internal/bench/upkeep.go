package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"gitmirror/api"
)

const day = 24 * time.Hour

// upkeep measures what verification and putting in order take of the processor, and works out what
// share of a core the verification of 1,000 repositories takes at most.
func (m *mirrors) upkeep(ctx context.Context) error {
	fmt.Println("CPU that the keeping of a copy takes")
	up, _, err := m.serve(ctx)
	if err != nil {
		return err
	}
	defer up.Close()
	p, err := m.mirrored(ctx, "upkeep", up.URL("r"))
	if err != nil {
		return err
	}
	defer p.Kill()
	var verify, collect []time.Duration
	for range m.repeats {
		v, err := p.maintained(ctx, "r", api.Verify)
		if err != nil {
			return err
		}
		c, err := p.maintained(ctx, "r", api.Collect)
		if err != nil {
			return err
		}
		verify, collect = append(verify, v), append(collect, c)
	}
	_, bytes, err := packsOf(filepath.Join(p.Dir, "repos"))
	if err != nil {
		return err
	}
	gb := float64(bytes) / 1e9
	v, c := quantile(sorted(verify), 0.5), quantile(sorted(collect), 0.5)
	fmt.Printf("  a verification, of packs, connections and objects: %s, %.0f s a GB\n", seconds(verify), v.Seconds()/gb)
	fmt.Printf("  all written anew, with charts: %s, %.0f s a GB\n", seconds(collect), c.Seconds()/gb)
	// A copy is read once a day, and git looks at each object once a month: to count both each day is an
	// upper bound.
	fmt.Printf("  1,000 repos of this size, at most: %.1f %% of a core to verify them\n", 1000*v.Seconds()/day.Seconds()*100)
	return nil
}
