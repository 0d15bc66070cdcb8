package mirror

import (
	"context"
)

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
		if j.run != nil {
			j.run.cancel(context.Canceled)
			done = j.run.done
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
	if err := e.store.Trash(id, e.cfg.LogTime().Now); err != nil {
		return err
	}
	e.state.Forget(id)
	e.proofs.forget(id)
	e.worker.Forget(id)
	e.mu.Lock()
	delete(e.jobs, id)
	e.mu.Unlock()
	return nil
}
