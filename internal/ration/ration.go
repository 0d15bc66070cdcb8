// Package ration lets so much through for each key in any span of time, and says of the rest
// that it is too much. It holds nothing up, and what becomes of the rest is the caller's.
package ration

import (
	"maps"
	"time"
)

// Ration is one rule, for any number of keys. It is not safe for concurrent use.
type Ration struct {
	most int
	per  time.Duration
	// taken are the times of the latest that were let through, the oldest first, at most as
	// many as may be in one span.
	taken map[string][]time.Time
	swept time.Time
}

// New returns a Ration of most for each key in any span of per, both above zero.
func New(most int, per time.Duration) *Ration {
	return &Ration{most: most, per: per, taken: map[string][]time.Time{}}
}

// Take tells whether one more may pass for the key, and counts it then. Times must not go
// back.
func (r *Ration) Take(key string, now time.Time) bool {
	r.sweep(now)
	times := r.taken[key]
	if len(times) == r.most {
		if now.Sub(times[0]) < r.per {
			return false
		}
		times = append(times[:0], times[1:]...)
	}
	r.taken[key] = append(times, now)
	return true
}

// sweep forgets keys of which nothing counts any more, once in a span: no more are
// remembered than passed in two.
func (r *Ration) sweep(now time.Time) {
	if now.Sub(r.swept) < r.per {
		return
	}
	r.swept = now
	maps.DeleteFunc(r.taken, func(_ string, times []time.Time) bool { return now.Sub(times[len(times)-1]) >= r.per })
}
