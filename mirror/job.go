package mirror

import (
	"context"
	"math/rand/v2"
	"net/url"
	"time"

	"golang.org/x/sync/semaphore"

	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/store"
)

// job is one repository's work. Its fields are guarded by Engine.mu; seen
// belongs to the one worker that runs it.
type job struct {
	id       string
	want     Assignment
	assigned bool

	running bool
	host    *host // while it runs
	parked  bool  // waits for its host
	again   bool  // something changed while it ran: run once more
	forced  bool  // the next run asks upstream whatever the time is
	waiters []chan<- SyncResult
	cancel  context.CancelFunc
	done    chan struct{} // closed when the present run ends

	broken    bool
	syncing   bool
	checked   bool // upstream was asked since this node last became owner
	lastCheck time.Time
	nextCheck time.Time // when upstream is asked next, while this node owns it
	failures  int
	failure   *failure.Error
	hold      *Hold
	retries   int // of following a peer, in a row

	seen map[string]detect.Fingerprint // by upstream URL: answers that were dealt with
}

// host bounds how many of an upstream host's repositories are worked on.
type host struct {
	running int
	waiting []string
	fetches *semaphore.Weighted
}

// assign gives j its newest assignment and decides when it runs next.
// Engine.mu is held.
func (e *Engine) assign(j *job, a Assignment, now time.Time) {
	old, known := j.want, j.assigned
	j.want, j.assigned = a, true
	if a.Paused {
		e.queue.Remove(j.id)
		return
	}
	switch {
	case !known:
		j.nextCheck = e.firstDue(j, a, now)
	case a.Role == Owner && (old.Role != Owner || old.Epoch != a.Epoch):
		// A new owner starts soon, but the repositories of a lost node not all
		// at once.
		j.nextCheck = now.Add(rand.N(min(a.Policy.Interval, 5*time.Second) + 1))
		j.checked = false
	case a.Role == Owner && old.Policy.Interval != a.Policy.Interval:
		j.nextCheck = now.Add(schedule.Jitter(a.Policy.Interval))
	}
	if a.Role == Owner {
		e.queue.Advance(j.id, j.nextCheck)
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
	if latest := now.Add(a.Policy.Interval); due.NextCheck.After(latest) && due.Failures == 0 {
		return latest
	}
	if due.NextCheck.Before(now) {
		return now.Add(rand.N(min(a.Policy.Interval, 10*time.Second) + 1))
	}
	return due.NextCheck
}

// kick makes j run as soon as there is room. Engine.mu is held.
func (e *Engine) kick(j *job, now time.Time) {
	if j.running {
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

// hostOf is the host whose share a job takes: its first upstream's. Replicas
// ask peers, which bound themselves.
func hostOf(a Assignment) string {
	if a.Role != Owner || len(a.URLs) == 0 {
		return ""
	}
	u, err := url.Parse(a.URLs[0])
	if err != nil {
		return ""
	}
	return u.Host
}

// Remove cancels what runs for the repository, takes its copy out of service
// and forgets it. It is for copies whose removal the log holds, and for
// nothing else. Removing what is not there is nil.
func (e *Engine) Remove(ctx context.Context, id string) error {
	e.mu.Lock()
	j := e.jobs[id]
	var done <-chan struct{}
	if j != nil {
		j.assigned = false
		e.queue.Remove(id)
		if j.running {
			j.cancel()
			done = j.done
		}
	}
	e.mu.Unlock()
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := e.store.Trash(id, time.Now()); err != nil {
		return err
	}
	e.state.Forget(id)
	e.mu.Lock()
	delete(e.jobs, id)
	e.mu.Unlock()
	return nil
}

// remember keeps the due time for the next run. Engine.mu is held.
func (e *Engine) remember(j *job) {
	e.state.Remember(j.id, store.Due{LastCheck: j.lastCheck, NextCheck: j.nextCheck, Failures: j.failures})
}

// SyncResult is what a check that was asked for came to.
type SyncResult struct {
	Generation uint64 // live on this node afterwards
	Changes    []refs.Change
	Changed    bool
	Failure    *failure.Error
	Hold       *Hold
}

// Sync has upstream asked by a check that starts after this call, whatever the
// interval says, and waits for what it comes to. Calls that come while one
// waits share it.
func (e *Engine) Sync(ctx context.Context, id string) (SyncResult, error) {
	result := make(chan SyncResult, 1)
	if err := e.request(id, result); err != nil {
		return SyncResult{}, err
	}
	select {
	case r := <-result:
		return r, nil
	case <-ctx.Done():
		return SyncResult{}, ctx.Err()
	}
}

// Request is Sync without the wait.
func (e *Engine) Request(id string) error { return e.request(id, nil) }

func (e *Engine) request(id string, result chan<- SyncResult) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	j := e.jobs[id]
	if j == nil || !j.assigned || j.want.Role != Owner {
		return ErrNotOwner
	}
	if result != nil {
		j.waiters = append(j.waiters, result)
	}
	j.forced = true
	e.kick(j, time.Now())
	e.signal()
	return nil
}
