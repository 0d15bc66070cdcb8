package mirror

import "context"

// StopChecks ends what asks upstreams, for good, while copies are served and
// copied from on: a node that is about to stop publishes nothing new that only
// it has. A publish that is under way is waited for, within ctx.
func (e *Engine) StopChecks(ctx context.Context) {
	e.mu.Lock()
	e.upstreams.closed = true
	var running []<-chan struct{}
	for _, j := range e.jobs {
		r := j.run
		if r == nil || r.lane != &e.upstreams {
			continue
		}
		running = append(running, r.done)
		if repo := e.store.Repo(j.id); repo != nil {
			if _, _, _, pending := repo.Candidate(); pending {
				continue // the log is deciding: what it says must still be shown
			}
		}
		r.cancel(errStopping)
	}
	e.mu.Unlock()
	for _, done := range running {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}
