package world

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	fresh  = flag.Duration("world.for", 0, "how long to run worlds with fresh seeds (default: a few with the same seeds each time)")
	shrink = flag.Bool("world.shrink", true, "look for a shorter history in which the same does not hold")
	stop   = flag.Bool("world.stop", true, "end with the first history in which something does not hold")
	keep   = flag.String("world.journal", "", "directory for the journals of runs in which something did not hold")
)

// memory is where files are in memory: there a world is twice as fast.
const memory = "/dev/shm"

// try runs a world, and says what did not hold in it. Its journal is kept where that is
// asked for.
func try(t *testing.T, s Setup, steps []Step) (Result, error) {
	dir, err := os.MkdirTemp(memory, "gitmirror-world-")
	if err != nil {
		if dir, err = os.MkdirTemp("", "gitmirror-world-"); err != nil {
			t.Fatal(err)
		}
	}
	defer os.RemoveAll(dir)
	var journal bytes.Buffer
	out := Run(t, dir, slog.New(slog.NewTextHandler(&journal, &slog.HandlerOptions{Level: slog.LevelInfo})), s, steps)
	if err = out.Err(); err == nil {
		return out, nil
	}
	where := "run again with -world.journal DIR for its journal"
	if *keep != "" {
		f, err := os.CreateTemp(*keep, fmt.Sprintf("world-%d-%d-*.log", s.Seed, len(steps)))
		if err == nil {
			_, err = journal.WriteTo(f)
			where = f.Name()
			_ = f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	return out, fmt.Errorf("Setup%+v []Step%v\n%w\n%s", s, steps, err, where)
}

// someSteps draws what happens, such that a shorter or calmer history is drawn where one is
// enough to show what is wrong.
func someSteps() *rapid.Generator[[]Step] {
	names := Kinds()
	step := rapid.Custom(func(t *rapid.T) Step {
		return Step{
			What: evenly(t, names), Node: rapid.IntRange(0, 4).Draw(t, "node"), Other: rapid.IntRange(0, 6).Draw(t, "other"),
			Repo: rapid.IntRange(0, 4).Draw(t, "repo"), After: time.Duration(rapid.SampledFrom([]int{0, 10, 100, 1000, 5000, 20_000, 70_000}).Draw(t, "after")) * time.Millisecond,
		}
	})
	return rapid.Custom(func(t *rapid.T) []Step {
		return slices.Concat(rapid.SliceOfN(rapid.SliceOfN(step, 1, 8), 1, 6).Draw(t, "acts")...)
	})
}

// evenly draws one of them, each as likely as any other: numbers that rapid draws are small
// ones as a rule.
func evenly(t *rapid.T, names []string) string {
	i := 0
	for range 8 {
		if i *= 2; rapid.Bool().Draw(t, "") {
			i++
		}
	}
	return names[i%len(names)]
}

func someSetup() *rapid.Generator[Setup] {
	return rapid.Custom(func(t *rapid.T) Setup {
		return Setup{Seed: rapid.Uint64Range(0, 1000).Draw(t, "seed"), Nodes: rapid.SampledFrom([]int{3, 3, 4, 5}).Draw(t, "nodes"), Repos: 4}
	})
}

// Whatever happens, what must always hold holds.
func TestWhateverHappens(t *testing.T) {
	var virtual, real time.Duration
	var entries uint64
	runs, terms := 0, 0
	happened := map[string]int{}
	one := func(s Setup, steps []Step) error {
		began := time.Now()
		out, err := try(t, s, steps)
		real, virtual, runs = real+time.Since(began), virtual+out.Virtual, runs+1
		entries, terms = entries+out.Entries, terms+out.Terms
		for what, n := range out.Happened {
			happened[what] += n
		}
		return err
	}
	if *fresh == 0 {
		for i := range 8 {
			if err := one(someSetup().Example(i), someSteps().Example(i)); err != nil {
				t.Error(err)
			}
		}
	}
	for end := time.Now().Add(*fresh); time.Now().Before(end) && (!*stop || !t.Failed()); {
		if !*shrink {
			seed := int(time.Now().UnixNano())
			if err := one(someSetup().Example(seed), someSteps().Example(seed)); err != nil {
				t.Error(err)
			}
			continue
		}
		rapid.Check(t, func(rt *rapid.T) {
			if time.Now().After(end) {
				return
			}
			if err := one(someSetup().Draw(rt, "setup"), someSteps().Draw(rt, "steps")); err != nil {
				rt.Fatal(err)
			}
		})
	}
	for _, what := range slices.Sorted(maps.Keys(happened)) {
		t.Logf("%6d %s", happened[what], what)
	}
	t.Logf("%d worlds, %s of their time in %s: %.0f times as fast; %d entries in %d terms", runs, virtual.Round(time.Second), real.Round(time.Second/10), virtual.Seconds()/real.Seconds(), entries, terms)
}

// A world in which little happens is not busy for long.
func TestAQuietWorld(t *testing.T) {
	out, err := try(t, Setup{1, 3, 20}, []Step{{"push", 0, 0, 0, time.Minute}, {"push", 0, 0, 1, 3 * time.Minute}})
	if err != nil {
		t.Error(err)
	}
	if out.Virtual < 4*time.Minute || out.Reads < 300 {
		t.Errorf("%s went by, %d reads", out.Virtual, out.Reads)
	}
}
