package schedule

import (
	"context"
	"errors"
	"math"
	"time"

	"gitmirror/mirror/work"
)

// run is one that is under way.
type run struct {
	terms   terms
	urls    uint64 // of the upstream, a hash; 0 before they were read
	step    work.Step
	forced  bool // somebody asked for a check
	wished  bool // somebody who reads wants one
	waiters []chan<- answer
	lane    *lane
	host    *host // of the upstream
	cancel  context.CancelCauseFunc
	ended   chan struct{} // closed when it has
}

// An owner asks for lost generations after recoverSoon, and less and less often for
// as long as nobody has them: whoever had one may be gone for good.
const (
	recoverSoon   = 5 * time.Second
	recoverSeldom = 5 * time.Minute
)

// stepOf is what the next run of r is for. s.mu is held.
func (s *Scheduler) stepOf(r *repo, now instant) work.Step {
	switch {
	case !r.terms.owner:
		return work.CheckUpstream // a replica's runs are all the same
	case r.terms.behind(s.cfg.Disk.Held(r.id)):
		if r.step == work.AskUpstream && r.mayAsk() {
			return work.AskUpstream
		}
		return work.AskHolders
	case r.terms.lost > 0 && !r.forced && now >= r.recovers():
		return work.RecoverLost
	}
	return work.CheckUpstream
}

// mayAsk tells whether upstream may be asked: of what is paused, where somebody waits for it.
func (r *repo) mayAsk() bool { return !r.terms.paused || r.forced }

// start has a run of r begin, which has its places. s.mu is held.
func (s *Scheduler) start(r *repo, run *run, now instant) {
	run.terms, run.forced, run.wished, run.waiters = r.terms, r.forced, r.wished, s.takeWaiters(r)
	task := work.Task{Step: run.step, Ask: r.forced || r.wished || now >= r.nextCheck, Learn: r.terms.interval == 0 && !r.learned, Since: s.time(r.lastCheck), Wanted: r.forced, Fetch: run.lane == &s.fetches || run.lane == &s.firsts, ToFetch: func() bool { return s.toFetch(r, run) }}
	task.Order, task.Probe = s.order(r, now)
	r.again, r.forced, r.wished, r.fetch = false, false, false, false
	r.run, r.phase = run, Running
	ctx, cancel := context.WithCancelCause(s.ctx)
	run.cancel = cancel
	s.runs.Go(func() {
		defer cancel(nil)
		out := work.Result{Waiting: true} // for an assignment that fits
		if a, ok := s.read(r, run); ok {
			task.Assignment = a
			alone := a.Paused && !task.Wanted // upstream is left so
			task.Ask = task.Ask && !alone
			if !alone || task.Step != work.AskUpstream {
				out = s.cfg.Runner.Run(ctx, task)
			}
		}
		s.finish(ctx, r, run, out)
	})
}

// read returns the assignment as it is now, which may be newer than what has been said by
// Assign, and has the run count as one of it. What was assigned before it was read is never
// newer. It is not ok where nothing is assigned any more, or another role.
func (s *Scheduler) read(r *repo, run *run) (a work.Assignment, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for said := ^r.terms.all; said != r.terms.all; {
		said = r.terms.all
		s.mu.Unlock()
		a, ok = s.cfg.Rows.Assignment(r.id)
		s.mu.Lock()
	}
	if !ok || (a.Role == work.Owner) != r.terms.owner {
		return a, false
	}
	run.terms, run.urls = termsOf(&a, a.Hash(seed)), urlsOf(&a)
	return a, true
}

// finish takes what a run came to, and gives its places to who waits for them.
func (s *Scheduler) finish(ctx context.Context, r *repo, run *run, out work.Result) {
	s.mu.Lock()
	r.run, r.phase = nil, Idle
	waiters, said := run.waiters, answer{Answer: out.Answer}
	switch {
	case !r.assigned || !r.terms.owner:
		said = answer{err: ErrNotOwner}
		waiters = append(waiters, s.takeWaiters(r)...)
		switch {
		case !r.assigned:
			s.drop(r)
		case ctx.Err() == nil:
			s.record(r, run, out)
		default:
			s.again(r)
		}
	case s.ended(ctx):
		// What it came to answers yesterday's question: nothing of it is recorded.
		s.carryOver(r, run)
		s.again(r)
		waiters = nil
	case ctx.Err() == nil:
		if !out.Checked && out.Failure == nil && (run.forced || len(waiters) > 0) {
			// If a check was requested while this run was only reconciling the disk,
			// run again: the requester was promised a check.
			s.carryOver(r, run)
			waiters = nil
		}
		s.record(r, run, out)
	}
	s.leave(run)
	if s.reopened { // by a run that had its place elsewhere
		s.reopened = false
		s.fill(&s.upstreams)
	}
	close(run.ended)
	s.dispatch()
	s.mu.Unlock()
	for _, w := range waiters {
		w <- said
	}
	s.cfg.Changed(r.id)
}

// ended tells whether a run was ended for what it worked on, and not because this node
// stops: a repository that is assigned goes on.
func (s *Scheduler) ended(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, ErrOvertaken) || cause != nil && s.ctx.Err() == nil && !errors.Is(cause, errStopping)
}

// carryOver hands what was asked of a run to the next. s.mu is held.
func (s *Scheduler) carryOver(r *repo, run *run) {
	if waiters := append(run.waiters, s.takeWaiters(r)...); len(waiters) > 0 {
		s.waiters[r] = waiters
	}
	r.forced, r.wished = r.forced || run.forced, r.wished || run.wished
}

// again has a repository run as soon as there is room. s.mu is held.
func (s *Scheduler) again(r *repo) {
	s.queue.set(r, s.now())
}

// record writes down what a run came to, and sets when the next begins. s.mu is held.
func (s *Scheduler) record(r *repo, run *run, out work.Result) {
	now, owned, owner := s.now(), run.terms.owner, r.terms.owner
	asked, turned := out.Asked, false
	if asked == nil && out.Checked {
		asked = []work.Asked{{URL: int(r.last().turn.at), Failure: out.Failure}}
	}
	for _, a := range asked {
		s.hear(r, run.terms.hostAt(a.URL), a.Failure, s.instant(out.CheckedAt), now)
	}
	if owned && owner && run.terms.said == r.terms.said {
		if turned = s.turn(r, asked, now); turned {
			s.pace(r)
		}
	}
	if out.Next == work.AskUpstream && !r.mayAsk() {
		out.Rerun, out.Waiting = false, true // for a holder, as long as it is paused
	}
	if out.Checked {
		s.learn(r, now, owned, out)
		if owned && out.Failure == nil && out.Changed {
			s.lags.add(out, r.lastCheck, now, s.instant)
		}
		r.lastCheck, r.checked = s.instant(out.CheckedAt), owned
		if owned && owner && out.Failure == nil && out.Hold == nil && !out.Waiting && !out.Rerun {
			r.asOf = r.lastCheck
		}
		s.pace(r)
	}
	r.broken, r.step, r.fetch = out.Broken, out.Next, out.Rerun && out.Fetch
	if run.step == work.RecoverLost {
		if r.recovery == nil {
			r.recovery = &recovery{}
		}
		r.recovery.next = now.add(min(recoverSoon<<min(r.recovery.asked, 10), recoverSeldom))
		r.recovery.asked++
	}
	if r.terms.lost == 0 {
		r.recovery = nil
	}
	last := r.last()
	if out.Judged || !owned {
		last.hold, r.judged, last.heard = out.Hold, owned, max(last.heard, out.Heard)
	}
	if out.Checked || out.Failure != nil || !owned {
		if last.failure = out.Failure.Kept(); last.failure == nil {
			r.failures = 0
		} else if r.failures < math.MaxUint16 {
			r.failures++
		}
		if out.Checked {
			last.refused = last.refused.after(last.failure, r.terms.urls() > 1, now)
		}
	}
	r.note(last)
	switch {
	case !owner || !out.Checked && (out.Failure == nil || out.Waiting):
	case out.Failure != nil && turned:
		r.nextCheck = now.add(s.spread(returnWithin)) // the other one may answer
	case out.Failure != nil:
		wait := s.patience(r, out.Failure, now)
		if r.terms.urls() == 1 || !out.Failure.Host { // else that host rests, and no other
			wait = max(wait, out.Failure.RetryAfter)
		}
		r.nextCheck = now.add(wait)
	default:
		r.nextCheck = s.instant(out.CheckedAt).add(s.jitter(r.every)).onBeat(r.every)
	}
	if !out.Waiting || r.again {
		r.retries = 0
	} else if r.retries < math.MaxUint16 {
		r.retries++
	}
	switch {
	case out.Rerun:
		s.queue.set(r, now)
	case out.Waiting:
		s.queue.set(r, now.add(s.jitter(min(retrySoon<<min(r.retries, 7), retrySeldom))))
	case owner:
		if !r.terms.paused {
			s.queue.set(r, r.nextCheck)
		}
		if r.terms.lost > 0 {
			s.queue.advance(r, r.recovers())
		}
	}
	if owner {
		s.remember(r)
	}
	if !out.Waiting && (r.again || r.forced || r.wished) {
		s.queue.set(r, now)
	}
}

// A run that waits for the log or a peer is made again after twice retrySoon, and less
// and less often.
const (
	retrySoon   = 200 * time.Millisecond
	retrySeldom = 20 * time.Second
)
