package schedule

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/policy"
	"gitmirror/mirror/work"
)

// world is a scheduler whose runs are the test's: each is under way until the test ends
// it, or its context does. It notes what must never be.
type world struct {
	*Scheduler
	clock *clock.Manual
	stop  func()

	mu       sync.Mutex
	disk     map[string]Held
	memory   map[string]work.Due
	assigned map[string]work.Assignment // as the test has said last
	asked    map[string]bool            // a check was requested, and none that began since has ended
	running  map[string]*fake
	ran      map[string]int
	cut      bool // Alone is true, and nothing that began before is on its way
	wrong    []string
}

// fake is a run that is under way.
type fake struct {
	task work.Task
	ctx  context.Context
	end  chan work.Result

	ended bool // the test has said so
	kind  string
}

func newWorld(change ...func(*Config)) *world {
	w := &world{clock: clock.NewManual(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)), disk: map[string]Held{}, memory: map[string]work.Due{},
		assigned: map[string]work.Assignment{}, asked: map[string]bool{}, running: map[string]*fake{}, ran: map[string]int{}}
	cfg := Config{Clock: w.clock, Runner: w, Rows: w, Disk: w, Memory: w, Random: func() float64 { return 0.5 }, Changed: func(string) {}, Checks: 4, Fetches: 3, ChecksPerHost: 2, FetchesPerHost: 2, Copies: 3}
	for _, c := range change {
		c(&cfg)
	}
	w.Scheduler = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Scheduler.Run(ctx) }()
	w.stop = func() { cancel(); <-done }
	for !w.begun() {
		runtime.Gosched()
	}
	return w
}

func (w *world) begun() bool {
	w.Scheduler.mu.Lock()
	defer w.Scheduler.mu.Unlock()
	return w.ctx != nil
}

// settle returns when every run is where the test is to say how it goes on: what drives a
// scheduler in a time of its own moves it only then.
func (w *world) settle() {
	for !w.settled() {
		runtime.Gosched()
	}
}

func (w *world) settled() bool {
	w.Scheduler.mu.Lock()
	defer w.Scheduler.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.running {
		if f.ended || f.ctx.Err() != nil {
			return false
		}
	}
	running := 0
	for _, l := range w.lanes() {
		running += l.running
	}
	return running == len(w.running)
}

func (w *world) Held(id string) Held { w.mu.Lock(); defer w.mu.Unlock(); return w.disk[id] }

func (w *world) Assignment(id string) (work.Assignment, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, ok := w.assigned[id]
	return a, ok
}

func (w *world) Due(id string) (work.Due, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.memory[id]
	return d, ok
}
func (w *world) Remember(id string, d work.Due) { w.mu.Lock(); defer w.mu.Unlock(); w.memory[id] = d }
func (w *world) Forget(id string)               { w.mu.Lock(); defer w.mu.Unlock(); delete(w.memory, id) }

func (w *world) Run(ctx context.Context, t work.Task) work.Result {
	f := w.enter(ctx, t)
	var out work.Result
	select {
	case out = <-f.end:
	case <-ctx.Done():
		// What a cancelled run says must not count.
		out = work.Result{Checked: true, CheckedAt: w.clock.Now(), Broken: true, Next: work.AskUpstream}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, t.ID)
	return out
}

func (w *world) enter(ctx context.Context, t work.Task) *fake {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := &fake{task: t, ctx: ctx, end: make(chan work.Result)}
	if w.running[t.ID] != nil {
		w.note("two runs of %s", t.ID)
	}
	if _, ok := w.assigned[t.ID]; !ok {
		w.note("a run of %s, which is not assigned", t.ID)
	}
	if w.cut && t.AsksUpstream() && !t.Wanted {
		w.note("alone, and %s is asked for", t.ID)
	}
	if t.Paused && (t.Ask || t.Step == work.AskUpstream) && !t.Wanted {
		w.note("%s is paused, and upstream is asked", t.ID)
	}
	w.running[t.ID] = f
	w.ran[t.ID]++
	switch {
	case !t.AsksUpstream():
		f.kind = "copies"
	case t.Fetch:
		f.kind = w.fetching(t.ID)
	default:
		f.kind = "asks"
	}
	w.count()
	return f
}

// fetching is as what a repository is fetched. w.mu is held.
func (w *world) fetching(id string) string {
	if w.disk[id].Generation == 0 {
		return "makes first copies"
	}
	return "fetches"
}

// count notes where there are more runs than may be. w.mu is held.
func (w *world) count() {
	kinds := map[string]int{}
	hosts := map[[2]string]int{}
	for _, r := range w.running {
		kinds[r.kind]++
		hosts[[2]string{r.kind, r.task.Host()}]++
	}
	for at, n := range hosts {
		if n > w.cfg.ChecksPerHost && at[0] != "copies" {
			w.note("at %v %d runs", at, n)
		}
	}
	for kind, most := range map[string]int{"copies": w.cfg.Copies, "asks": w.cfg.Checks, "fetches": w.cfg.Fetches, "makes first copies": w.cfg.Fetches} {
		if kinds[kind] > most {
			w.note("%d runs: %s", kinds[kind], kind)
		}
	}
}

// fetch has the run of a repository, which asks, go on to fetch, and tells whether it may.
// One that may not ends.
func (w *world) fetch(id string) bool {
	f := w.at(id)
	w.mu.Lock()
	was := f.kind
	f.kind = w.fetching(id) // others begin before the call returns
	w.mu.Unlock()
	if f.task.ToFetch() {
		w.mu.Lock()
		w.count()
		w.mu.Unlock()
		w.settle()
		return true
	}
	w.mu.Lock()
	f.kind = was
	w.mu.Unlock()
	w.end(id, work.Result{Rerun: true, Next: f.task.Step, Fetch: true})
	return false
}

func (w *world) note(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// assign and unassign keep what the test has said.
func (w *world) assign(a work.Assignment) {
	w.mu.Lock()
	w.assigned[a.ID] = a
	w.mu.Unlock()
	w.Assign(a)
	w.settle()
}

func (w *world) unassign(id string) {
	w.mu.Lock()
	delete(w.assigned, id)
	w.mu.Unlock()
	w.Unassign(id)
	w.settle()
}

// leave has the node be alone, or not.
func (w *world) leave(alone bool) {
	if alone {
		defer func() { w.cut = true }()
	} else {
		w.cut = false
	}
	w.Alone(alone)
	w.settle()
}

func (w *world) ask(id string)   { w.mu.Lock(); defer w.mu.Unlock(); w.asked[id] = true }
func (w *world) unask(id string) { w.mu.Lock(); defer w.mu.Unlock(); delete(w.asked, id) }

// at is the run of a repository that is under way, nil for none.
func (w *world) at(id string) *fake { w.mu.Lock(); defer w.mu.Unlock(); return w.running[id] }

// end ends the run of a repository.
func (w *world) end(id string, out work.Result) {
	f := w.at(id)
	w.mu.Lock()
	f.ended = true
	w.mu.Unlock()
	f.end <- out
	w.settle()
}

// checked is the result of a check that found nothing new.
func (w *world) checked() work.Result {
	return work.Result{Checked: true, CheckedAt: w.clock.Now(), Judged: true}
}

func (w *world) advance(d time.Duration) {
	w.clock.Advance(d)
	w.settle()
}

// holds says that the disk has what is assigned.
func (w *world) holds(a work.Assignment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk[a.ID] = Held{Any: true, Generation: a.Generation, Digest: a.Digest}
}

func owned(id, host string) work.Assignment {
	return work.Assignment{ID: id, Name: id, URLs: []string{"https://" + host + "/" + id}, Role: work.Owner, Epoch: 1, Generation: 1, Policy: policy.Policy{Interval: time.Minute}}
}

// phases counts the repositories in each phase.
func (w *world) phases() map[Phase]int {
	w.Scheduler.mu.Lock()
	defer w.Scheduler.mu.Unlock()
	n := map[Phase]int{}
	for _, r := range w.repos {
		n[r.phase]++
	}
	return n
}
