package mirror

import (
	"math/rand/v2"
	"net/url"
	"slices"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/store"
)

// job is one repository's work. Its fields are guarded by Engine.mu; seen
// belongs to the one run under way.
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
	syncing   bool
	checked   bool // upstream was asked since this node last became owner
	judged    bool // and gave an answer that hold is of
	lastCheck time.Time
	nextCheck time.Time // when upstream is asked next, while this node owns it
	failures  int
	failure   *failure.Error
	hold      *Hold

	skipped      int            // of upstream's refs, when it was last seen to change
	firstSkipped []refs.Skipped // of them
	pinned       []Pinned
	heard        uint64 // the newest word of a person that a check knew which succeeded
	retries      int    // of following a peer, in a row

	step        step      // what an owner that is behind does next
	nextRecover time.Time // when an owner asks for lost generations next
	recovers    int       // how often it has, in a row

	seen map[string]sight // by upstream URL: answers that were dealt with
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
		j.checked, j.judged, j.hold, j.step = false, false, nil, checkUpstream
		if e.isBehind(j) {
			j.nextCheck = now // what is lost elsewhere may be at upstream: it is asked at once
		}
	case a.Role == Owner && j.failure != nil && a.Policy.mayTake(j.failure.Class, old.Policy):
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

// settleSoon has a repository looked at whose disk is not what it was.
func (e *Engine) settleSoon(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if j := e.jobs[id]; j != nil && j.assigned && !j.want.Paused {
		e.kick(j, time.Now())
		e.signal()
	}
}

// hostOf is the host whose share an owner's job takes: its first upstream's.
func hostOf(a Assignment) string {
	if len(a.URLs) == 0 {
		return ""
	}
	u, err := url.Parse(a.URLs[0])
	if err != nil {
		return ""
	}
	return u.Host
}

// remember keeps the due time for the next run. Engine.mu is held.
func (e *Engine) remember(j *job) {
	e.state.Remember(j.id, store.Due{LastCheck: j.lastCheck, NextCheck: j.nextCheck, Failures: j.failures})
}
