package lister

import (
	"context"
	"time"
)

// Look has every source read once that wants it.
func (l *Lister) Look(ctx context.Context) time.Duration { return l.look(ctx) }

// LookBelow has submodules listed of all rows that have changed, however soon after the last time.
func (l *Lister) LookBelow(ctx context.Context) time.Duration {
	l.below.next, l.below.tries = time.Time{}, nil
	return l.lookBelow(ctx)
}
