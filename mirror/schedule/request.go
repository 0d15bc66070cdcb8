package schedule

import (
	"context"
	"errors"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// ErrNotOwner is returned for what only the owner of a repository can do.
var ErrNotOwner = errors.New("this node does not own the repository")

// answer is what a waiter gets: ErrNotOwner where the repository has got another owner
// meanwhile.
type answer struct {
	work.Answer
	err error
}

// Check has upstream asked by a check that starts after this call, whatever the
// interval says, and waits for what it comes to. Calls that come while one
// waits share it.
func (s *Scheduler) Check(ctx context.Context, id string) (work.Answer, error) {
	return s.await(ctx, id, true)
}

func (s *Scheduler) await(ctx context.Context, id string, now bool) (work.Answer, error) {
	said := make(chan answer, 1)
	if err := s.request(id, now, said); err != nil {
		return work.Answer{}, err
	}
	select {
	case a := <-said:
		return a.Answer, a.err
	case <-ctx.Done():
		return work.Answer{}, ctx.Err()
	}
}

// Wish is Check for who only reads: upstream is asked as soon as its host may be, and a budget
// leaves room, and by the url that is asked anyway.
func (s *Scheduler) Wish(ctx context.Context, id string) (work.Answer, error) {
	return s.await(ctx, id, false)
}

// Request is Check without the wait.
func (s *Scheduler) Request(id string) error { return s.request(id, true, nil) }

func (s *Scheduler) request(id string, now bool, waiter chan<- answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[id]
	if r == nil || !r.assigned || !r.terms.owner {
		return ErrNotOwner
	}
	if waiter != nil {
		s.waiters[r] = append(s.waiters[r], waiter)
	}
	if now || r.terms.paused { // what is paused is asked for who waits
		s.want(r, s.now())
	} else {
		r.wished = true
		s.kick(r, s.now())
	}
	s.dispatch()
	return nil
}

func (s *Scheduler) takeWaiters(r *repo) []chan<- answer {
	waiters := s.waiters[r]
	delete(s.waiters, r)
	return waiters
}

// StopChecks ends what asks upstreams, for good: a node that is about to stop publishes
// nothing new that only it has. A publish that is under way is waited for, within ctx.
func (s *Scheduler) StopChecks(ctx context.Context) {
	s.mu.Lock()
	s.upstreams.closed, s.fetches.closed, s.firsts.closed = true, true, true
	var running []<-chan struct{}
	for _, r := range s.repos {
		if r.phase != Running || r.run.lane == &s.peers {
			continue
		}
		running = append(running, r.run.ended)
		if s.cfg.Disk.Held(r.id).Candidate == nil { // else the log is deciding: what it says must still be shown
			r.run.cancel(errStopping)
		}
	}
	s.mu.Unlock()
	for _, ended := range running {
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// State is what the schedule knows of a repository.
type State struct {
	Phase      Phase
	Owner      bool
	Generation uint64 // that it is to have

	Checked   bool // upstream was asked since this node last became owner
	Judged    bool // and gave an answer that Hold is of
	Broken    bool
	Stale     bool // see Scheduler.Stale
	LastCheck time.Time
	NextCheck time.Time
	Interval  time.Duration // between two checks, as it is now
	AsOf      time.Time     // when the last check began whose upshot is what is published
	Parked    bool          // upstream has long said that it is not there: it is asked seldom
	Failures  int           // in a row
	Failure   *failure.Error
	Hold      *work.Hold
	Heard     uint64
	Rests     time.Duration // for how long the host that is asked still wants to be left alone
	URL       int           // which of the upstream's has answered last; 0 for the first
	Probe     time.Time     // when the first is tried again, while another is asked; zero otherwise
}

// State tells what is known of a repository that is assigned.
func (s *Scheduler) State(id string) (State, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[id]
	if r == nil {
		return State{}, false
	}
	last := r.last()
	next := s.time(r.nextCheck)
	if r.terms.paused {
		next = time.Time{}
	}
	probe := time.Time{}
	if last.turn.at > 0 && !r.terms.paused {
		probe = s.time(max(last.turn.probe, r.nextCheck))
	}
	return State{Phase: r.phase, Owner: r.terms.owner, Generation: r.terms.generation, Stale: r.stale(s.now()),
		Checked: r.checked, Judged: r.judged, Broken: r.broken, LastCheck: s.time(r.lastCheck), NextCheck: next,
		Interval: r.every, AsOf: s.time(r.asOf), Parked: last.failure != nil && last.refused.parked(s.now()), Failures: int(r.failures), Failure: last.failure, Hold: last.hold, Heard: last.heard, Rests: s.restOf(s.hostNow(r, s.now()), s.now()), URL: int(last.turn.answer), Probe: probe}, true
}

// stale tells whether this node owns it and has not checked it for three intervals.
func (r *repo) stale(now instant) bool {
	return r.terms.owner && !r.terms.paused && r.lastCheck != never && time.Duration(now-r.lastCheck) > 3*r.every+time.Minute
}

// Stale counts what this node owns whose last check is older than three intervals.
func (s *Scheduler) Stale() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, r := range s.repos {
		if r.stale(now) {
			n++
		}
	}
	return n
}
