package mirror

import (
	"math/rand/v2"
	"slices"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// job is one repository's work. Its fields are guarded by Engine.mu.
type job struct {
	id       string
	want     Assignment
	assigned bool

	run     *run // under way
	parked  bool // waits for a place
	again   bool // something changed while it ran: run once more
	forced  bool // the next run asks upstream whatever the time is
	waiters []chan<- syncAnswer

	broken    bool
	checked   bool // upstream was asked since this node last became owner
	judged    bool // and gave an answer that hold is of
	lastCheck time.Time
	nextCheck time.Time // when upstream is asked next, while this node owns it
	failures  int
	failure   *failure.Error
	hold      *Hold

	heard   uint64 // the newest word of a person that a check knew which succeeded
	retries int    // of following a peer, in a row

	step        work.Step // what an owner that is behind does next
	nextRecover time.Time // when an owner asks for lost generations next
	recovers    int       // how often it has, in a row
}

// assign gives j its newest assignment and decides when it runs next.
// Engine.mu is held.
func (e *Engine) assign(j *job, a Assignment, now time.Time) {
	old, known := j.want, j.assigned
	j.want, j.assigned = a, true
	if j.run != nil && e.overtaken(j, a) {
		j.run.cancel(errOvertaken)
	}
	if a.Paused {
		e.queue.Remove(j.id)
		return
	}
	switch {
	case !known:
		j.nextCheck = e.firstDue(j, a, now)
		if a.Role == Owner && e.isBehind(j) {
			j.nextCheck = now
		}
	case a.Role == Owner && (old.Role != Owner || old.Epoch != a.Epoch):
		// A new owner starts soon, but the repositories of a lost node not all
		// at once.
		j.nextCheck = now.Add(rand.N(min(a.Policy.Interval, 5*time.Second) + 1))
		j.checked, j.judged, j.hold, j.step = false, false, nil, work.CheckUpstream
		if e.isBehind(j) {
			j.nextCheck = now // what is lost elsewhere may be at upstream: it is asked at once
		}
	case a.Role == Owner && j.failure != nil && a.Policy.MayTake(j.failure.Class, old.Policy):
		j.forced = true
		e.kick(j, now)
	case a.Role == Owner && (!slices.Equal(old.Pins, a.Pins) || a.Word > old.Word):
		// A person waits for it: a run that is under way does not know of it.
		j.forced = true
		e.kick(j, now)
	case a.Role == Owner && old.Policy.Interval != a.Policy.Interval:
		j.nextCheck = now.Add(schedule.Jitter(a.Policy.Interval))
	}
	if a.Role == Owner {
		e.queue.Advance(j.id, j.nextCheck)
	}
	if a.Role == Owner && len(a.Lost) > 0 && len(a.Lost) != len(old.Lost) {
		j.nextRecover, j.recovers = now, 0
		e.kick(j, now)
	}
	if a.Generation != old.Generation || a.Digest != old.Digest || a.Epoch != old.Epoch || a.Role != old.Role || !known {
		if e.unsettled(j) {
			e.kick(j, now)
		}
	}
}

// unsettled tells whether the disk is not where the assignment is.
func (e *Engine) unsettled(j *job) bool {
	r := e.store.Repo(j.id)
	if r == nil {
		return true
	}
	if _, _, _, pending := r.Candidate(); pending {
		return true
	}
	generation, _ := r.Generation()
	return generation != j.want.Generation || generation == 0
}

// firstDue is when a repository that this run has not seen yet is checked:
// when it would have been, without the restart.
func (e *Engine) firstDue(j *job, a Assignment, now time.Time) time.Time {
	due, ok := e.state.Due(j.id)
	if !ok {
		return now
	}
	j.lastCheck, j.failures = due.LastCheck, due.Failures
	if a.Role != Owner || e.store.Repo(j.id) == nil {
		return now
	}
	latest := now.Add(a.Policy.Interval)
	if due.Failures > 0 {
		latest = now.Add(max(a.Policy.Interval, schedule.MaxInterval)) // the clock may have been wrong
	}
	if due.NextCheck.After(latest) {
		return latest
	}
	if due.NextCheck.Before(now) {
		return now.Add(rand.N(min(a.Policy.Interval, 10*time.Second) + 1))
	}
	return due.NextCheck
}

// kick makes j run as soon as there is room. Engine.mu is held.
func (e *Engine) kick(j *job, now time.Time) {
	if j.run != nil {
		j.again = true
		return
	}
	e.queue.Advance(j.id, now)
}

// reconcileSoon has a repository run whose disk is not what it was. It tells whether
// anybody wants that.
func (e *Engine) reconcileSoon(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	j := e.jobs[id]
	if j == nil || !j.assigned || j.want.Paused {
		return false
	}
	e.kick(j, e.now())
	e.signal()
	return true
}

// An owner asks for lost generations after recoverSoon, and less and less often for
// as long as nobody has them: whoever had one may be gone for good.
const (
	recoverSoon   = 5 * time.Second
	recoverSeldom = 5 * time.Minute
)

// stepOf is what the next run of j is for. Engine.mu is held.
func (e *Engine) stepOf(j *job) work.Step {
	switch {
	case j.want.Role == work.Owner && e.isBehind(j):
		if j.step == work.AskUpstream {
			return work.AskUpstream
		}
		return work.AskHolders
	case j.want.Role == work.Owner && len(j.want.Lost) > 0 && !j.forced && !e.now().Before(j.nextRecover):
		return work.RecoverLost
	}
	return work.CheckUpstream
}

// isBehind tells whether the copy here is not what was published.
func (e *Engine) isBehind(j *job) bool {
	if j.want.Generation == 0 {
		return false
	}
	r := e.store.Repo(j.id)
	if r == nil {
		return true
	}
	generation, digest := r.Generation()
	return generation < j.want.Generation || generation == j.want.Generation && digest != j.want.Digest
}

// remember keeps the due time for the next run. Engine.mu is held.
func (e *Engine) remember(j *job) {
	e.state.Remember(j.id, store.Due{LastCheck: j.lastCheck, NextCheck: j.nextCheck, Failures: j.failures})
}
