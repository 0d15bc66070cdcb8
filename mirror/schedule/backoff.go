package schedule

import (
	"time"

	"gitmirror/mirror/failure"
)

// MaxInterval bounds every wait.
const MaxInterval = 8 * time.Hour

// Jitter spreads a wait by ±5 %, so that repositories that started together
// drift apart. random is in [0, 1).
func Jitter(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * (0.95 + 0.1*random))
}

// slow are the failures that a retry seldom mends: somebody has to do
// something first.
var slow = map[failure.Class]time.Duration{
	failure.NotFound:    5 * time.Minute,
	failure.Auth:        5 * time.Minute,
	failure.TLSVerify:   5 * time.Minute,
	failure.Shallow:     5 * time.Minute,
	failure.Format:      5 * time.Minute,
	failure.Refused:     5 * time.Minute,
	failure.TooLarge:    5 * time.Minute,
	failure.OutOfMemory: time.Minute,
	failure.Protocol:    time.Minute,
	failure.Corrupt:     time.Minute,
	failure.RateLimited: time.Minute,
}

// Backoff is how long to wait after the n-th failure in a row (from 1) of a
// repository that is checked every interval: never less than the interval or
// what the upstream asked for, doubled with each failure.
func Backoff(f *failure.Error, n int, interval time.Duration) time.Duration {
	base := max(interval, 5*time.Second)
	if n > 2 {
		base = max(base, slow[f.Class])
	}
	d := MaxInterval
	if shift := min(max(n-1, 0), 12); base <= MaxInterval>>shift {
		d = base << shift
	}
	return max(d, interval, f.RetryAfter)
}
