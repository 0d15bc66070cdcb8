package lister

import (
	"context"
	"time"
)

// Look has every source read once that wants it.
func (l *Lister) Look(ctx context.Context) time.Duration { return l.look(ctx) }
