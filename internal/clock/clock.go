// Package clock is the seam to time: what waits, or asks what time it is, does so
// through a Clock it was given, so that it can be driven through years in a moment.
package clock

import (
	"context"
	"time"
)

// Clock tells the time, and calls later.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once, after d, in a goroutine that may be anybody's.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that is to come, as a time.Timer is.
type Timer interface {
	Stop() bool
	Reset(d time.Duration) bool
}

// System is the machine's clock.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time                            { return time.Now() }
func (system) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// Sleep returns after d, or with the cause when ctx ends before.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	over := make(chan struct{})
	t := c.AfterFunc(d, func() { close(over) })
	defer t.Stop()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
