package client

import (
	"context"
	"time"
)

// await waits until a forge may be asked again, as far as there is patience for it. before is how many limits
// were waited for in a row: one that is there again was told too short, or never ends.
func (l *lister) await(ctx context.Context, limit *Error, before int) error {
	wait := time.Until(limit.Until)
	if before > 0 {
		wait = max(wait, min(usualRest<<min(before-1, 10), time.Hour))
	}
	until := time.Now().Add(wait)
	if wait > l.patience {
		limit.Until = until
		return limit
	}
	l.patience -= wait
	l.tell(until)
	l.asks.stop()
	if err := sleep(ctx, wait); err != nil {
		return err
	}
	l.asks.resume()
	l.tell(time.Time{})
	return nil
}

func (l *lister) tell(until time.Time) {
	if l.cfg.Progress != nil {
		l.cfg.Progress(Progress{Pages: l.pages, Repos: l.found, Until: until, Trouble: l.vain})
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spell is a time that can be stopped and resumed. At its end a function is called.
type spell struct {
	left  time.Duration
	since time.Time
	timer *time.Timer
}

func newSpell(d time.Duration, over func()) *spell {
	return &spell{left: d, since: time.Now(), timer: time.AfterFunc(d, over)}
}

func (s *spell) stop() {
	s.timer.Stop()
	s.left -= time.Since(s.since)
}

func (s *spell) resume() {
	s.since = time.Now()
	s.timer.Reset(max(s.left, 0))
}
