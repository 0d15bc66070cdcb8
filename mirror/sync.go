package mirror

import (
	"context"
	"time"
)

// syncAnswer is what a waiter gets: ErrNotOwner where the repository has got
// another owner meanwhile.
type syncAnswer struct {
	SyncResult
	err error
}

// Sync has upstream asked by a check that starts after this call, whatever the
// interval says, and waits for what it comes to. Calls that come while one
// waits share it.
func (e *Engine) Sync(ctx context.Context, id string) (SyncResult, error) {
	answer := make(chan syncAnswer, 1)
	if err := e.request(id, answer); err != nil {
		return SyncResult{}, err
	}
	select {
	case a := <-answer:
		return a.SyncResult, a.err
	case <-ctx.Done():
		return SyncResult{}, ctx.Err()
	}
}

// Request is Sync without the wait.
func (e *Engine) Request(id string) error { return e.request(id, nil) }

func (e *Engine) request(id string, answer chan<- syncAnswer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	j := e.jobs[id]
	if j == nil || !j.assigned || j.want.Role != Owner {
		return ErrNotOwner
	}
	if answer != nil {
		j.waiters = append(j.waiters, answer)
	}
	j.forced = true
	e.kick(j, time.Now())
	e.signal()
	return nil
}
