// Package schedule is when a repository is worked on: due times, places in lanes and at
// hosts, attempts, and the end of runs whose assignment is not what it was. What a run
// does is its caller's.
//
// It promises that of one repository one run is under way at most, that a lane and a host
// in it never have more than their limits, that whatever is due runs as soon as it has a
// place, that no check waits for a fetch, and that what a run comes to counts only for the assignment that it worked on.
//
// It has no goroutine but those of the runs, and no time but its clock's.
package schedule

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
	"unique"

	"gitmirror/internal/clock"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/rhythm"
	"gitmirror/mirror/work"
)

// Runner does the work.
type Runner interface {
	// Run does what there is to do for one repository, and returns soon after ctx ends.
	// It is called in a goroutine of its own, for one repository only once at a time.
	Run(ctx context.Context, t work.Task) work.Result
}

// Rows has what is assigned. It is asked when a run begins: a million that rest are
// not kept twice. It does not block.
type Rows interface {
	// Assignment is at least as new as what was last said by Assign.
	Assignment(id string) (work.Assignment, bool)
}

// Disk tells what this node has. It does not block.
type Disk interface {
	Held(id string) Held
}

// Memory outlasts the process: a restart must not ask every upstream at once. It does
// not block.
type Memory interface {
	Due(id string) (work.Due, bool)
	Remember(id string, d work.Due)
	Forget(id string)
}

// Config is what a Scheduler needs.
type Config struct {
	Clock  clock.Clock
	Runner Runner
	Rows   Rows
	Disk   Disk
	Memory Memory
	// Random is uniform in [0, 1). It spreads what would come all at once.
	Random func() float64
	// Changed is told the id of a repository whose State may have changed. It must not
	// block.
	Changed func(id string)

	// Bounds are of intervals that are learned; default 45 s and 8 h.
	Bounds rhythm.Bounds
	// Rate is how many checks a second may be made from here at a host, 0 for any number. It
	// may change, and does not block. Nil: any number.
	Rate func(host string) float64

	Checks         int // runs that ask upstreams, at once
	ChecksPerHost  int // of them, for one host
	Fetches        int // runs that fetch from them, at once, of copies that are here; as many make first ones
	FetchesPerHost int // of each of these two, for one host
	Copies         int // runs that ask peers, at once
}

// Scheduler has the runs of this node's repositories begin.
type Scheduler struct {
	cfg   Config
	began time.Time

	mu        sync.Mutex
	ctx       context.Context // of Run, nil before
	repos     map[string]*repo
	queue     queue
	waiters   map[*repo][]chan<- answer // for a check that has not begun
	upstreams lane                      // that are asked
	fetches   lane                      // from them
	firsts    lane                      // fetches for which nothing is here yet
	peers     lane
	sites     map[unique.Handle[string]]*site
	forgot    instant // when it was last looked for those of which nothing is to be known any more
	lags      lags
	reopened  bool // a host is asked for as many as may be again
	alone     bool // nobody takes what this node finds
	timer     clock.Timer
	wake      instant // when the timer goes off, never for not at all
	runs      sync.WaitGroup
}

// New returns a Scheduler. Nothing runs before Run.
func New(cfg Config) *Scheduler {
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Bounds == (rhythm.Bounds{}) {
		cfg.Bounds = DefaultBounds
	}
	return &Scheduler{cfg: cfg, began: cfg.Clock.Now(), repos: map[string]*repo{}, waiters: map[*repo][]chan<- answer{}, sites: map[unique.Handle[string]]*site{}, wake: never,
		upstreams: newLane(cfg.Checks, cfg.ChecksPerHost), fetches: newLane(cfg.Fetches, cfg.FetchesPerHost), firsts: newLane(cfg.Fetches, cfg.FetchesPerHost), peers: newLane(cfg.Copies, 0)}
}

// Run works until ctx ends, then waits for the runs.
func (s *Scheduler) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	s.dispatch()
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.runs.Wait()
	return nil
}

func (s *Scheduler) now() instant { return s.instant(s.cfg.Clock.Now()) }

func (s *Scheduler) instant(t time.Time) instant { return instant(t.Sub(s.began)) }

// time is the time of day of an instant, by the clock as it is now.
func (s *Scheduler) time(i instant) time.Time {
	if i == never {
		return time.Time{}
	}
	now := s.cfg.Clock.Now()
	return now.Add(time.Duration(i - s.instant(now)))
}

// spread is somewhere from nothing to d.
func (s *Scheduler) spread(d time.Duration) time.Duration {
	return time.Duration(s.cfg.Random() * float64(d))
}

func (s *Scheduler) jitter(d time.Duration) time.Duration { return Jitter(d, s.cfg.Random()) }

// Kick has a repository run whose disk, or whose peer, is not what it was. It tells
// whether anybody wants that.
func (s *Scheduler) Kick(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[id]
	if r == nil || !r.assigned {
		return false
	}
	s.kick(r, s.now())
	s.dispatch()
	return true
}

// Retry has those tried again at once whose failure is one of a class, whatever the
// backoff says.
func (s *Scheduler) Retry(class failure.Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, r := range s.repos {
		if f := r.last().failure; r.assigned && f != nil && f.Class == class {
			r.nextCheck = now
			s.kick(r, now)
		}
	}
	s.dispatch()
}

// kick makes r run as soon as there is room; once more, if it runs. s.mu is held.
func (s *Scheduler) kick(r *repo, now instant) {
	if r.phase == Running {
		r.again = true
		return
	}
	s.advance(r, now)
}

// advance makes r due at that time, unless it is due, or runs, before. s.mu is held.
func (s *Scheduler) advance(r *repo, at instant) {
	if r.phase == Idle || r.phase == Queued {
		s.queue.advance(r, at)
	}
}

// rest takes r out of what is to run. s.mu is held.
func (s *Scheduler) rest(r *repo) {
	s.queue.remove(r)
	if r.phase == Waiting {
		r.phase = Idle // it leaves the line when its turn comes
	}
}

// dispatch starts what is due while there is room, and has itself called when more is.
// s.mu is held.
func (s *Scheduler) dispatch() {
	if s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	now := s.now()
	for r := s.queue.pop(now); r != nil; r = s.queue.pop(now) {
		s.admit(r, now)
	}
	next, ok := s.queue.next()
	if !ok || next == s.wake {
		return
	}
	s.wake = next
	if wait := time.Duration(next - now); s.timer == nil {
		s.timer = s.cfg.Clock.AfterFunc(wait, s.woken)
	} else {
		s.timer.Reset(wait)
	}
}

func (s *Scheduler) woken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake = never
	s.dispatch()
}
