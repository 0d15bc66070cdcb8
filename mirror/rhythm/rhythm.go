// Package rhythm learns from the changes of a repository how soon the next one may come, and
// says how long to wait between two looks at it. It is arithmetic: no time but what it is given.
//
// Changes come in bursts, over hours, days and months. Three counters that forget at these
// three speeds tell the rate of changes nearly as well as all of their times would, in 16
// bytes. How often to look at each of many repositories, where the looks at all of them are
// so many: as the square root of its rate, for the least mean delay of a change (J. Cho and
// H. Garcia-Molina, Effective page refresh policies for web crawlers, 2003). An exponent
// somewhat below that is better where rates are only guessed. docs/benchmarks.md has the
// simulation by which the numbers here were chosen.
package rhythm

import (
	"math"
	"slices"
	"time"
)

// Rhythm is what is known of the changes of one repository. The zero Rhythm is of one that
// has never changed.
type Rhythm struct {
	at       int32 // seconds of the clock of whoever asks: when the counters were these
	counters [len(spans)]float32
}

// spans are the times in which counters forget all but 1/e.
var spans = [...]time.Duration{time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}

// The rate of changes is the sum of the counters, each by its share of its span, and never
// nothing: what has not changed for a year may.
var shares = [len(spans)]float64{0.40, 0.20, 0.40}

const leastRate = 0.01 / (24 * 3600.0) // a second

// exponent of the rate in how often is looked.
const exponent = 0.45

// Window is how long ago a change may be that still counts for something.
const Window = 90 * 24 * time.Hour

// together is how near two commits are one change: a push has many.
const together = 3 * time.Minute

// Unknown is the rhythm of a repository of which no history is known: it has changed once
// in a day, and in a month.
func Unknown(now time.Duration) Rhythm {
	return Rhythm{at: seconds(now), counters: [...]float32{0, 1, 1}}
}

// Learned is the rhythm of one whose commits of the last Window are known. Times are by one
// clock that never goes back.
func Learned(now time.Duration, commits []time.Duration) Rhythm {
	r := Rhythm{at: seconds(now)}
	return r.With(now, now-Window, commits)
}

// With is r once it was seen that there were those commits since the last look. Dates of
// commits are what their authors say: one that is before the last look counts as of then, one
// that is yet to come as of now. A change without a commit, as when a branch is deleted, is one
// commit at now.
func (r Rhythm) With(now, last time.Duration, commits []time.Duration) Rhythm {
	r = r.by(now)
	last = min(last, now)
	when := make([]time.Duration, len(commits))
	for i, c := range commits {
		when[i] = max(last, min(c, now))
	}
	slices.Sort(when)
	for i, first := 0, time.Duration(0); i < len(when); i++ {
		if i > 0 && when[i]-first < together {
			continue
		}
		first = when[i]
		for k, span := range spans {
			r.counters[k] += float32(math.Exp(-float64(now-first) / float64(span)))
		}
	}
	return r
}

// by is r as it is at now: a clock that went back leaves it as it was.
func (r Rhythm) by(now time.Duration) Rhythm {
	at := max(r.at, seconds(now))
	passed := time.Duration(at-r.at) * time.Second
	for k, span := range spans {
		r.counters[k] *= float32(math.Exp(-float64(passed) / float64(span)))
	}
	r.at = at
	return r
}

// Rate is how many changes a second are to be expected at now.
func (r Rhythm) Rate(now time.Duration) float64 {
	r = r.by(now)
	rate := leastRate
	for k, span := range spans {
		rate += shares[k] * float64(r.counters[k]) / span.Seconds()
	}
	return rate
}

// Measure is how long it is left alone at now, beside others: twice the measure of another is
// twice as long. It has no unit.
func (r Rhythm) Measure(now time.Duration) float64 { return math.Pow(r.Rate(now), -exponent) }

// Counters is what there is to be remembered of r, as of now; Remembered is that again, at
// that later time of another clock.
func (r Rhythm) Counters(now time.Duration) []float32 {
	c := r.by(now).counters
	return c[:]
}

// Remembered is a rhythm from its counters, as they were at that time. It is not ok where they
// are none.
func Remembered(at time.Duration, counters []float32) (r Rhythm, ok bool) {
	if len(counters) != len(spans) {
		return r, false
	}
	for k, c := range counters {
		if !(c >= 0 && c < 1e6) { // a change each three minutes for ever is 14,400
			return r, false
		}
		r.counters[k] = c
	}
	r.at = seconds(at)
	return r, true
}

func seconds(d time.Duration) int32 {
	return int32(max(math.MinInt32, min(int64(d/time.Second), math.MaxInt32)))
}
