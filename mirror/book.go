package mirror

import (
	"slices"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/schedule"
)

// outcome is what one run of a job came to.
type outcome struct {
	SyncResult
	checked   bool // upstream was asked
	judged    bool // and what it showed was judged: Hold is news
	checkedAt time.Time
	waiting   bool   // for the log or a peer: look again soon
	busy      string // the peer that had no place
	broken    bool
	rerun     bool // at once, in the lane that fits by now
	next      step // of an owner that is behind
}

// book writes the outcome down and sets when the job runs next. Engine.mu is
// held.
func (e *Engine) book(j *job, r *run, out outcome) {
	now, a := e.now(), r.a
	if out.checked {
		j.lastCheck, j.checked = out.checkedAt, a.Role == Owner
	}
	j.broken, j.step = out.broken, out.next
	if r.step == recoverLost {
		j.nextRecover = now.Add(min(recoverSoon<<min(j.recovers, 10), recoverSeldom))
		j.recovers++
	}
	if out.judged || a.Role != Owner {
		j.hold, j.judged, j.heard = out.Hold, a.Role == Owner, max(j.heard, out.Heard)
	}
	if out.checked || out.Failure != nil || a.Role != Owner {
		if j.failure = out.Failure.Kept(); j.failure == nil {
			j.failures = 0
		} else {
			j.failures++
			if j.failure.Class == failure.Disk {
				e.space.Suspect()
			}
		}
	}
	owner := j.want.Role == Owner
	switch {
	case !owner || !out.checked && (out.Failure == nil || out.waiting):
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
	case out.rerun:
		e.queue.Set(j.id, now)
	case out.waiting:
		e.queue.Set(j.id, now.Add(schedule.Jitter(min(200*time.Millisecond<<min(j.retries, 7), 20*time.Second))))
	case owner:
		e.queue.Set(j.id, j.nextCheck)
		if len(j.want.Lost) > 0 {
			e.queue.Advance(j.id, j.nextRecover)
		}
	}
	if p := e.atPeers[out.busy]; p != nil && !slices.Contains(p.waiting, j.id) {
		p.waiting = append(p.waiting, j.id)
	}
	if owner {
		e.remember(j)
	}
	if !out.waiting && (j.again || j.forced) {
		e.queue.Set(j.id, now)
	}
}
