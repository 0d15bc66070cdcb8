package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitmirror/internal/clock"
)

// NotFreshError says why what is here cannot be said to be as new as somebody wants it.
type NotFreshError struct {
	Why   string
	Again time.Duration // until upstream is asked again; 0 where that is not known
}

func (e *NotFreshError) Error() string { return e.Why }

// freshEvery is how soon after a check another one begins that somebody wants who only reads:
// they share it.
const freshEvery = time.Second

// Fresh returns when what this node has published of a repository is the upshot of a check that
// began at that time or later, in LogTime; where that is the zero time, of one that begins after
// this call. It has upstream asked, where it was not asked since, but not more often than each
// second, and not while its host wants to be left alone. It returns the generation.
// ErrNotOwner is for who owns it; a *NotFreshError says why upstream cannot be followed.
func (e *Engine) Fresh(ctx context.Context, id string, after time.Time) (generation uint64, err error) {
	for {
		s, _ := e.Status(id)
		if !after.IsZero() && !s.AsOf.IsZero() && !s.AsOf.Before(after) && s.Generation > 0 && s.Behind == nil {
			return s.Generation, nil
		}
		if s.Parked {
			return 0, &NotFreshError{"its upstream has long said that it is not there, or not for us, and is asked seldom", e.again(id)}
		}
		if wait := after.Sub(e.cfg.LogTime().Now); wait > 0 && e.cfg.LogTime().DatesHold { // no check that begins before is new enough
			if err := clock.Sleep(ctx, e.cfg.Clock, wait); err != nil {
				return 0, err
			}
		}
		rest := e.schedule.Resting(id)
		if s.Failure != nil && s.Failure.Host { // it was this one that was told so, and it is heeded by it for as long
			rest = max(rest, e.again(id))
		}
		if rest > 0 {
			return 0, &NotFreshError{fmt.Sprintf("its upstream's host wants to be left alone for %s", rest.Round(time.Second)), rest}
		}
		if wait := freshEvery - e.cfg.Clock.Now().Sub(s.LastCheck); wait > 0 && !s.LastCheck.IsZero() {
			if err := clock.Sleep(ctx, e.cfg.Clock, min(wait, freshEvery)); err != nil {
				return 0, err
			}
		}
		out, err := e.schedule.Wish(ctx, id)
		switch {
		case err != nil:
			return 0, err
		case out.Failure != nil:
			return 0, &NotFreshError{"its upstream cannot be followed: " + out.Failure.Message, e.again(id)}
		case out.Hold != nil:
			return 0, &NotFreshError{"it is held: what its upstream shows is not followed without a person", e.again(id)}
		case after.IsZero():
			return out.Generation, nil
		case !e.cfg.LogTime().DatesHold:
			return 0, errors.New("this node does not know the time of the cluster yet")
		}
	}
}

// again is how long it is until upstream is asked the next time, unless somebody waits for that.
func (e *Engine) again(id string) time.Duration {
	s, _ := e.Status(id)
	return max(s.NextCheck.Sub(e.cfg.Clock.Now()), e.schedule.Resting(id), 0)
}
