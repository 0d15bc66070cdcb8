package mirror

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/semaphore"

	"gitmirror/mirror/schedule"
)

// ErrNotOwner is returned for what only the owner of a repository can do.
var ErrNotOwner = errors.New("this node does not own the repository")

// dispatch starts what is due while there is room: globally, and for the
// upstream's host, so that a host that hangs delays only its own.
func (e *Engine) dispatch(ctx context.Context) {
	e.mu.Lock()
	e.ctx = ctx
	e.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-timer.C:
		}
		e.mu.Lock()
		now := time.Now()
		for e.running < e.cfg.Checks {
			id, ok := e.queue.Pop(now)
			if !ok {
				break
			}
			e.admit(id)
		}
		next, ok := e.queue.Next()
		full := e.running >= e.cfg.Checks
		e.mu.Unlock()
		if ok && !full {
			timer.Reset(max(time.Until(next), 0))
		}
	}
}

func (e *Engine) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// admit starts a job, or lets it wait for its host. Engine.mu is held.
func (e *Engine) admit(id string) {
	j := e.jobs[id]
	if j == nil || !j.assigned || j.running || j.parked || e.ctx.Err() != nil {
		return
	}
	name := hostOf(j.want)
	h := e.hosts[name]
	if h == nil {
		h = &host{fetches: semaphore.NewWeighted(e.fetchShare(name))}
		e.hosts[name] = h
	}
	if name != "" && h.running >= e.cfg.ChecksPerHost {
		h.waiting = append(h.waiting, id)
		j.parked = true
		return
	}
	h.running++
	e.running++
	j.running, j.host = true, h
	ctx, cancel := context.WithCancel(e.ctx)
	j.cancel, j.done = cancel, make(chan struct{})
	e.workers.Go(func() {
		defer cancel()
		e.work(ctx, j, name)
	})
}

// fetchShare is how many fetches one host's repositories may have under way:
// fetches that hang there must leave room for the others'. Peers share all.
func (e *Engine) fetchShare(host string) int64 {
	if host == "" {
		return e.cfg.Fetches
	}
	return max(e.cfg.Fetches-1, 1)
}

// work runs a job once and books what came of it.
func (e *Engine) work(ctx context.Context, j *job, hostName string) {
	e.mu.Lock()
	a, waiters := j.want, j.waiters
	ask := j.forced || !time.Now().Before(j.nextCheck)
	j.again, j.forced, j.waiters = false, false, nil
	e.mu.Unlock()

	out := e.settle(ctx, j, a, ask)

	e.mu.Lock()
	if ctx.Err() == nil {
		if !out.checked && out.Failure == nil && j.want.Role == Owner && j.assigned && len(waiters) > 0 {
			// Who asked for a check gets one: this run had to settle first.
			j.waiters, j.forced, waiters = append(waiters, j.waiters...), true, nil
		}
		e.book(j, a, out)
	}
	j.running = false
	close(j.done)
	h := e.hosts[hostName]
	h.running--
	e.running--
	for h.running < e.cfg.ChecksPerHost && len(h.waiting) > 0 {
		id := h.waiting[0]
		h.waiting = h.waiting[1:]
		if next := e.jobs[id]; next != nil {
			next.parked = false
			e.admit(id)
		}
	}
	if h.running == 0 && len(h.waiting) == 0 {
		delete(e.hosts, hostName)
	}
	e.signal()
	e.mu.Unlock()
	for _, w := range waiters {
		w <- out.SyncResult
	}
	e.cfg.Changed(j.id)
}

// outcome is what one run of a job came to.
type outcome struct {
	SyncResult
	checked   bool // upstream was asked
	checkedAt time.Time
	waiting   bool // for the log or a peer: look again soon
	broken    bool
}

// book writes the outcome down and sets when the job runs next. Engine.mu is
// held.
func (e *Engine) book(j *job, a Assignment, out outcome) {
	now := time.Now()
	if out.checked {
		j.lastCheck, j.checked = out.checkedAt, a.Role == Owner
	}
	j.broken = out.broken
	if out.checked || a.Role != Owner {
		j.hold = out.Hold
		if j.failure = out.Failure; j.failure == nil {
			j.failures = 0
		} else {
			j.failures++
		}
	}
	owner := j.want.Role == Owner
	switch {
	case !owner || !out.checked:
	case out.Failure != nil:
		wait := schedule.Jitter(schedule.Backoff(out.Failure, j.failures, j.want.Policy.Interval))
		j.nextCheck = now.Add(max(wait, out.Failure.RetryAfter))
	default:
		j.nextCheck = out.checkedAt.Add(schedule.Jitter(j.want.Policy.Interval))
	}
	if out.waiting && !j.again {
		j.retries++
	} else {
		j.retries = 0
	}
	if !j.assigned || j.want.Paused {
		return
	}
	switch {
	case out.waiting:
		e.queue.Set(j.id, now.Add(schedule.Jitter(min(200*time.Millisecond<<min(j.retries, 7), 20*time.Second))))
	case owner:
		e.queue.Set(j.id, j.nextCheck)
	}
	if owner {
		e.remember(j)
	}
	if !out.waiting && (j.again || j.forced) {
		e.queue.Set(j.id, now)
	}
}
