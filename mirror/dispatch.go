package mirror

import (
	"context"
	"errors"
	"time"

	"gitmirror/mirror/work"
)

// ErrNotOwner is returned for what only the owner of a repository can do.
var ErrNotOwner = errors.New("this node does not own the repository")

// dispatch starts what is due while there is room: in its lane, and for the
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
		now := e.now()
		for {
			id, ok := e.queue.Pop(now)
			if !ok {
				break
			}
			e.admit(id)
		}
		next, ok := e.queue.Next()
		e.mu.Unlock()
		if ok {
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

// run is one pass over a job.
type run struct {
	work.Task
	forced  bool // somebody asked for that
	waiters []chan<- syncAnswer
	lane    *lane
	host    *host // of the upstream; nil in the lane of peers
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when it ends
}

// admit starts a job, or parks it where it waits for a place. Engine.mu is held.
func (e *Engine) admit(id string) {
	j := e.jobs[id]
	if j == nil || !j.assigned || j.run != nil || j.parked || e.ctx == nil || e.ctx.Err() != nil {
		return
	}
	next := e.stepOf(j)
	l := e.laneOf(j, next)
	if l.closed {
		return
	}
	if l.running >= l.limit {
		l.waiting = append(l.waiting, id)
		j.parked = true
		return
	}
	r := &run{Task: work.Task{Assignment: j.want, Step: next}, lane: l, done: make(chan struct{})}
	if l == &e.upstreams {
		r.host = e.host(j.want.Host())
		if r.host.running >= e.cfg.ChecksPerHost {
			r.host.waiting = append(r.host.waiting, id)
			j.parked = true
			return
		}
		r.host.running++
	}
	l.running++
	r.Ask, r.forced, r.waiters = j.forced || !e.now().Before(j.nextCheck), j.forced, j.waiters
	j.again, j.forced, j.waiters = false, false, nil
	j.run = r
	ctx, cancel := context.WithCancelCause(e.ctx)
	r.cancel = cancel
	e.workers.Go(func() {
		defer cancel(nil)
		e.work(ctx, j, r)
	})
}

// work runs a job once and books what came of it.
func (e *Engine) work(ctx context.Context, j *job, r *run) {
	out := e.worker.Run(ctx, r.Task)

	e.mu.Lock()
	j.run = nil
	waiters, answer := r.waiters, syncAnswer{SyncResult: out.Answer}
	switch {
	case !j.assigned || j.want.Role != Owner:
		answer = syncAnswer{err: ErrNotOwner}
		waiters, j.waiters = append(waiters, j.waiters...), nil
		if ctx.Err() == nil {
			e.book(j, r, out)
		} else if j.assigned {
			e.again(j)
		}
	case errors.Is(context.Cause(ctx), errOvertaken):
		// What it came to answers yesterday's question: nothing of it is booked.
		e.carryOver(j, r)
		e.again(j)
		waiters = nil
	case ctx.Err() == nil:
		if !out.Checked && out.Failure == nil && (r.forced || len(waiters) > 0) {
			// If a check was requested while this run was only settling the disk,
			// run again: the requester was promised a check.
			e.carryOver(j, r)
			waiters = nil
		}
		e.book(j, r, out)
	}
	e.leave(r)
	close(r.done)
	e.signal()
	e.mu.Unlock()
	for _, w := range waiters {
		w <- answer
	}
	e.cfg.Changed(j.id)
}

// carryOver hands what was asked of a run to the next.
func (e *Engine) carryOver(j *job, r *run) {
	j.waiters = append(r.waiters, j.waiters...)
	j.forced = j.forced || r.forced
}

// again has a job run as soon as there is room. Engine.mu is held.
func (e *Engine) again(j *job) {
	if !j.want.Paused {
		e.queue.Set(j.id, e.now())
	}
}
