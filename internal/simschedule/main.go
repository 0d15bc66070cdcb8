// Command simschedule asks how late changes are noticed: it drives the product's own
// scheduler, and ways to poll that others have, through the times at which real repositories
// changed, on a clock that is made to run. Each of the others makes as many polls as the
// product did.
//
//	simschedule --traces FILE [--budget 1h]
//	simschedule --traces FILE --real 20 [--speed 200] [--for 24h]
//
// The second mirrors that many real repositories, to which somebody pushes as the trace says, on
// a clock that is faster than time, and says how far that is from what is foreseen.
//
// The file has lines of repo,seconds of Unix, in any order, with or without a head, gzipped
// or not. The last half year of it is what is followed; what was before is history.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	file := flag.String("traces", "", "file of changes: repo,unix")
	budget := flag.Duration("budget", 0, "one poll of each repository in so long, on average; default 1h, 10m and 2m in turn, and no budget")
	over := flag.Duration("for", 26*7*24*time.Hour, "how much of the end of the trace is followed")
	real := flag.Int("real", 0, "so many repositories, the busiest, are really pushed to and mirrored")
	speed := flag.Float64("speed", 200, "how much faster than time that goes")
	flag.Parse()
	do := func() error { return run(*file, *budget, *over) }
	if *real > 0 {
		do = func() error { return agree(*file, *over, *real, *speed) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "simschedule:", err)
		os.Exit(1)
	}
}

func run(file string, budget, over time.Duration) error {
	if file == "" {
		return fmt.Errorf("--traces FILE is needed: lines of repo,unix seconds")
	}
	trace, err := load(file, over)
	if err != nil {
		return err
	}
	fmt.Printf("%d repositories, %d changes in %s\n", len(trace.repos), trace.changes(), over)
	budgets := []time.Duration{budget}
	if budget == 0 {
		budgets = []time.Duration{time.Hour, 10 * time.Minute, 2 * time.Minute, 0}
	}
	for _, b := range budgets {
		if err := compare(trace, b); err != nil {
			return err
		}
	}
	return nil
}

// compare prints how late changes are noticed with one budget, 0 for the product without one.
func compare(trace *trace, budget time.Duration) error {
	began := time.Now()
	ours, err := product(trace, budget)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("a poll of each repository in %s", budget)
	if budget == 0 {
		title = "no budget"
	}
	fmt.Printf("\n%s: %d polls, one of each repository in %s (%.0fs)\n", title, ours.polls,
		(trace.end.Sub(trace.begin) * time.Duration(len(trace.repos)) / time.Duration(max(ours.polls, 1))).Round(time.Second), time.Since(began).Seconds())
	fmt.Printf("  %-24s %10s %8s %10s %10s %10s %8s %10s\n", "", "mean", "of half", "p50", "p95", "p99", "stale", "polls")
	rest := others(trace, ours.polls)
	half := rest[0].seen.mean()
	for _, o := range append([]named{{"gitmirror", ours}}, rest...) {
		fmt.Printf("  %-24s %9.1fs %8.3f %9.1fs %9.1fs %9.1fs %7.2f%% %10d\n", o.name, o.seen.mean(), o.seen.mean()/half,
			o.seen.quantile(0.5), o.seen.quantile(0.95), o.seen.quantile(0.99), 100*o.seen.stale(trace), o.seen.polls)
	}
	return nil
}
