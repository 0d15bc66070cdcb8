package world

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	fresh  = flag.Duration("world.for", 0, "how long to run worlds with fresh seeds (default: a few with the same seeds each time)")
	cpu    = flag.Duration("world.cpu", 0, "the same, in time of processors")
	seed   = flag.Int("world.seed", 0, "the first of the worlds, where nothing is shrunk; the next have the next ones (default: the time)")
	nodes  = flag.Int("world.nodes", 0, "how many nodes each world begins with (default: from 3 to 5)")
	repos  = flag.Int("world.repos", 0, "how many repositories each world begins with (default: 4)")
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

// paces are how long it may be from one step to the next, in milliseconds.
var paces = [][]int{
	{0, 10, 100, 1000, 3000},
	{0, 10, 100, 1000, 5000, 20_000},
	{0, 10, 100, 1000, 5000, 20_000, 70_000},
}

// someSteps draws what happens, such that a shorter or calmer history is drawn where one is
// enough to show what is wrong. In most histories a few kinds of steps happen over and over,
// others in each: what meets only now and then among all kinds meets often in one of those
// (Groce and others, "Swarm testing", 2012).
func someSteps() *rapid.Generator[[]Step] {
	return rapid.Custom(func(t *rapid.T) []Step {
		names, after := Kinds(), rapid.SampledFrom(paces).Draw(t, "pace")
		if most := rapid.SampledFrom([]int{0, 4, 8, 16}).Draw(t, "kinds"); most > 0 {
			all := names
			names = nil
			for range most {
				names = append(names, evenly(t, all))
			}
		}
		step := rapid.Custom(func(t *rapid.T) Step {
			return Step{
				What: evenly(t, names), Node: rapid.IntRange(0, 4).Draw(t, "node"), Other: rapid.IntRange(0, 6).Draw(t, "other"),
				Repo: rapid.IntRange(0, 4).Draw(t, "repo"), After: time.Duration(rapid.SampledFrom(after).Draw(t, "after")) * time.Millisecond,
			}
		})
		return slices.Concat(rapid.SliceOfN(rapid.SliceOfN(step, 1, 10), 1, 8).Draw(t, "acts")...)
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

// sum is what some worlds came to.
type sum struct {
	t             *testing.T
	runs, terms   int
	entries       uint64
	virtual, real time.Duration
	happened      map[string]int
}

func (s *sum) run(setup Setup, steps []Step) error {
	began := time.Now()
	if *nodes > 0 {
		setup.Nodes = *nodes
	}
	if *repos > 0 {
		setup.Repos = *repos
	}
	out, err := try(s.t, setup, steps)
	s.real, s.virtual, s.runs = s.real+time.Since(began), s.virtual+out.Virtual, s.runs+1
	s.entries, s.terms = s.entries+out.Entries, s.terms+out.Terms
	for what, n := range out.Happened {
		s.happened[what] += n
	}
	return err
}

func (s *sum) example(seed int) {
	if err := s.run(someSetup().Example(seed), someSteps().Example(seed)); err != nil {
		s.t.Errorf("seed %d: %v", seed, err)
	}
}

func (s *sum) String() string {
	faults := 0
	for kind := range harms {
		faults += s.happened[kind]
	}
	return fmt.Sprintf("%d worlds, %s of their time in %s: %.0f times as fast; %d faults, %d entries in %d terms",
		s.runs, s.virtual.Round(time.Second), s.real.Round(time.Second/10), s.virtual.Seconds()/s.real.Seconds(), faults, s.entries, s.terms)
}

// everyKindWithin is how long worlds run until each kind of step has been made in one.
const everyKindWithin = 5 * time.Minute

// A world leaves much behind that is of no use any more: a process that makes many of them
// spends a quarter of its time on that, unless there may be more of it at a time.
func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	dir, err := os.MkdirTemp("", "gitmirror-world-trust-")
	if err == nil {
		err = Trust(dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// Whatever happens, what must always hold holds.
func TestWhateverHappens(t *testing.T) {
	s := &sum{t: t, happened: map[string]int{}}
	if *fresh == 0 && *cpu == 0 {
		for _, seed := range steady {
			s.example(seed)
		}
	}
	first, said := *seed, time.Now()
	if first == 0 {
		first = int(time.Now().Unix())
	}
	if *fresh > 0 || *cpu > 0 {
		fmt.Printf("the first world is -world.seed %d\n", first)
	}
	end := time.Now().Add(*fresh)
	over := func() bool { return time.Now().After(end) && spent() >= *cpu }
	for !over() && (!*stop || !t.Failed()) {
		if !*shrink {
			s.example(first + s.runs)
		} else {
			rapid.Check(t, func(rt *rapid.T) {
				if over() {
					return
				}
				if err := s.run(someSetup().Draw(rt, "setup"), someSteps().Draw(rt, "steps")); err != nil {
					rt.Fatal(err)
				}
			})
		}
		if time.Since(said) > time.Minute {
			said = time.Now()
			fmt.Println(s)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(s.happened)) {
		t.Logf("%6d %s", s.happened[what], what)
	}
	for _, kind := range Kinds() {
		if *fresh >= everyKindWithin && !t.Failed() && s.happened[kind] <= 0 {
			t.Errorf("there was no %q", kind)
		}
	}
	t.Log(s)
}

// spent is the time of processors that went into this process.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// steady are the worlds that are always tried.
var steady = []int{0, 3, 8}

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

// A world that goes on takes no more and no more memory, and has no more goroutines.
func TestALongWorld(t *testing.T) {
	lasts, every := 15*time.Minute, 5*time.Minute
	if os.Getenv("GITMIRROR_LONG") != "" {
		lasts, every = 24*time.Hour, 10*time.Minute
	}
	var steps []Step
	for i := range int(lasts / every) {
		steps = append(steps, Step{"push", 0, 0, i, every}, Step{Weigh, 0, 0, 0, 0})
	}
	out, err := try(t, Setup{1, 3, 4}, steps)
	if err != nil {
		t.Fatal(err)
	}
	first, last := out.Weights[0], out.Weights[len(out.Weights)-1]
	t.Log(out.Weights)
	if last.Bytes > first.Bytes*3/2 || last.Goroutines > first.Goroutines*5/4 {
		t.Errorf("it grows: %v", out.Weights)
	}
}
