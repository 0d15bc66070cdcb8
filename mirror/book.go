package mirror

import (
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/work"
)

// book writes the outcome down and sets when the job runs next. Engine.mu is
// held.
func (e *Engine) book(j *job, r *run, out work.Result) {
	now, a := e.now(), r.Assignment
	if out.Checked {
		j.lastCheck, j.checked = out.CheckedAt, a.Role == Owner
	}
	j.broken, j.step = out.Broken, out.Next
	if r.Step == work.RecoverLost {
		j.nextRecover = now.Add(min(recoverSoon<<min(j.recovers, 10), recoverSeldom))
		j.recovers++
	}
	if out.Judged || a.Role != Owner {
		j.hold, j.judged, j.heard = out.Hold, a.Role == Owner, max(j.heard, out.Heard)
	}
	if out.Checked || out.Failure != nil || a.Role != Owner {
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
	case !owner || !out.Checked && (out.Failure == nil || out.Waiting):
	case out.Failure != nil:
		wait := schedule.Jitter(schedule.Backoff(out.Failure, j.failures, j.want.Policy.Interval))
		j.nextCheck = now.Add(max(wait, out.Failure.RetryAfter))
	default:
		j.nextCheck = out.CheckedAt.Add(schedule.Jitter(j.want.Policy.Interval))
	}
	if out.Waiting && !j.again {
		j.retries++
	} else {
		j.retries = 0
	}
	if !j.assigned || j.want.Paused {
		return
	}
	switch {
	case out.Rerun:
		e.queue.Set(j.id, now)
	case out.Waiting:
		e.queue.Set(j.id, now.Add(schedule.Jitter(min(200*time.Millisecond<<min(j.retries, 7), 20*time.Second))))
	case owner:
		e.queue.Set(j.id, j.nextCheck)
		if len(j.want.Lost) > 0 {
			e.queue.Advance(j.id, j.nextRecover)
		}
	}
	if owner {
		e.remember(j)
	}
	if !out.Waiting && (j.again || j.forced) {
		e.queue.Set(j.id, now)
	}
}
