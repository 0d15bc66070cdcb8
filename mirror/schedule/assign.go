package schedule

import (
	"context"
	"time"

	"gitmirror/mirror/work"
)

// Assign has a repository worked on as a says, from now on. An assignment that is the
// one it has already changes nothing, and costs little.
func (s *Scheduler) Assign(a work.Assignment) {
	all := a.Hash(seed)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[a.ID]
	switch {
	case r == nil:
		r = &repo{id: a.ID, lastCheck: never, nextCheck: never, asOf: never}
		s.repos[r.id] = r
	case r.assigned && r.terms.all == all:
		return
	}
	is := termsOf(&a, all)
	was, known := r.terms, r.assigned
	s.uncount(r)
	r.terms, r.assigned = is, true
	if !known {
		s.recall(r)
	} else {
		s.turnBack(r, was.said != is.said)
	}
	if is.owner && (!known || !was.owner || was.epoch != is.epoch) {
		s.turnTo(r, a.Fallback)
	}
	s.pace(r)
	held := s.cfg.Disk.Held(r.id)
	if r.phase == Running && (overtaken(r.run.terms, is, held) || vain(r.run, is, urlsOf(&a), held)) {
		r.run.cancel(ErrOvertaken)
	}
	r.forced = r.forced && is.owner
	if was.owner != is.owner && r.phase == Waiting {
		s.rest(r) // it stands in the line of another lane
	}
	s.plan(r, was, known, held)
	s.dispatch()
}

// plan sets when r runs next, now that its terms are not what they were. Of what was not
// known nothing is known of before. s.mu is held.
func (s *Scheduler) plan(r *repo, was terms, known bool, held Held) {
	now, is := s.now(), r.terms
	behind, last := is.behind(held), r.last()
	switch {
	case !known:
		r.nextCheck = s.firstDue(r, held, now)
		if is.owner && behind {
			r.nextCheck = now
		}
		s.heed(r, now)
	case is.owner && (!was.owner || was.epoch != is.epoch):
		// A new owner starts soon, but the repositories of a lost node not all
		// at once.
		r.nextCheck = now.add(s.spread(min(r.every, 5*time.Second)))
		r.checked, r.judged, r.step, r.asOf, r.learned = false, false, work.CheckUpstream, never, false
		last.hold = nil
		r.note(last)
		if behind {
			r.nextCheck = now // what is lost elsewhere may be at upstream: it is asked at once
		}
		s.heed(r, now)
	case is.owner && !is.paused && last.failure != nil && is.mayTake(last.failure.Class, was):
		s.want(r, now)
	case is.owner && (is.word > was.word || is.said != was.said && !is.paused):
		// A person waits for it: a run that is under way does not know of it.
		s.want(r, now)
	case is.owner && is.said != was.said:
		s.kick(r, now) // what stays is published without upstream
	case is.owner && was.paused && !is.paused:
		r.nextCheck = now.add(s.spread(min(r.every, returnWithin)))
	case is.owner && was.interval != is.interval:
		r.nextCheck = now.add(s.jitter(r.every))
	}
	if is.owner && !is.paused {
		s.advance(r, r.nextCheck)
	}
	if is.owner && is.lost > 0 && is.lost != was.lost {
		r.recovery = &recovery{next: now}
		s.kick(r, now)
	}
	moved := is.generation != was.generation || is.digest != was.digest || is.epoch != was.epoch || is.owner != was.owner
	if (moved || !known) && !is.reconciled(held) {
		s.kick(r, now)
	}
}

// heed has a repository checked that comes with words which no check has heard, of whoever had it before: what they are
// about waits for that, also while it is paused.
func (s *Scheduler) heed(r *repo, now instant) {
	if r.terms.owner && r.terms.word > 0 {
		s.want(r, now)
	}
}

// firstDue is when a repository that this process has not seen yet is checked: when it
// would have been, without the restart.
func (s *Scheduler) firstDue(r *repo, held Held, now instant) instant {
	due, ok := s.cfg.Memory.Due(r.id)
	if !ok {
		return now
	}
	interval := r.every
	if !r.terms.owner || !held.Any {
		return now
	}
	latest, next := now.add(interval), s.instant(due.NextCheck)
	switch {
	case due.Refused >= parkedAfter:
		latest = now.add(MaxInterval) // the clock may have been wrong
	case due.Failures > 0:
		return now.add(s.spread(min(interval, 10*time.Second))) // why is not remembered, and may not be known to anybody
	}
	switch {
	case next > latest:
		return latest
	case next < now:
		return now.add(s.spread(min(interval, 10*time.Second)))
	}
	return next
}

// Unassign has a repository left alone: from now on nothing runs for it, and what runs
// ends.
func (s *Scheduler) Unassign(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unassign(s.repos[id], ErrOvertaken)
}

func (s *Scheduler) unassign(r *repo, cause error) {
	if r == nil || !r.assigned {
		return
	}
	s.uncount(r)
	r.assigned = false
	s.rest(r)
	if r.phase == Running {
		r.run.cancel(cause)
		return // it forgets r when it has ended
	}
	s.drop(r)
}

// drop forgets r; whoever waits for a check of it hears that it is not here. s.mu is held.
func (s *Scheduler) drop(r *repo) {
	for _, w := range s.takeWaiters(r) {
		w <- answer{err: ErrNotOwner}
	}
	delete(s.repos, r.id)
}

// Remove is Unassign for what is to go, and waits for what runs. What was remembered is
// forgotten.
func (s *Scheduler) Remove(ctx context.Context, id string) error {
	s.mu.Lock()
	var ended <-chan struct{}
	if r := s.repos[id]; r != nil {
		if r.phase == Running {
			ended = r.run.ended
		}
		s.unassign(r, context.Canceled)
	}
	s.mu.Unlock()
	if ended != nil {
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.cfg.Memory.Forget(id)
	return nil
}
