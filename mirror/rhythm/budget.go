package rhythm

import (
	"math"
	"time"
)

// Bounds of how long a repository is left alone.
type Bounds struct{ Least, Most time.Duration }

// Of is what is left of a wait within them.
func (b Bounds) Of(wait time.Duration) time.Duration { return min(max(wait, b.Least), b.Most) }

// Usual is the tempo without a budget: with it, what changes fifty times a day or more is
// looked at each 45 s, what changes once a day each 6 min, and what has not changed for
// months each three quarters of an hour.
const Usual Tempo = 2.15

// Tempo is for how long one is left alone whose measure is 1, in seconds. Repositories of one
// tempo share the looks at them as their rates want it.
type Tempo float64

// Interval is how long one of that measure is left alone.
func (t Tempo) Interval(measure float64, b Bounds) time.Duration {
	seconds := float64(t) * measure
	if seconds >= b.Most.Seconds() {
		return b.Most
	}
	return b.Of(time.Duration(seconds * float64(time.Second)))
}

// Towards is a tempo on its way to another, of which that share is gone.
func (t Tempo) Towards(to Tempo, share float64) Tempo {
	return t * Tempo(math.Pow(float64(to/t), min(max(share, 0), 1)))
}

// Crowd is how many repositories there are of which measure, as nearly as counts: it answers
// at once whatever their number. The zero Crowd is of none.
type Crowd struct {
	slots [slots]int32
	n     int
}

// Slots are of measures that differ by less than an eighth of an octave, from 1 up: the most
// frequent change there can be, one each three minutes, has a measure of 8, and what never
// changes one of 1,321.
const (
	perOctave = 8
	slots     = 16 * perOctave
)

// Slot is where one of that measure stands in a crowd.
func Slot(measure float64) uint8 {
	return uint8(max(0, min(math.Round(perOctave*math.Log2(measure)), slots-1)))
}

func middle(slot int) float64 { return math.Exp2(float64(slot) / perOctave) }

// Join and Leave are for one that comes to a slot, and goes.
func (c *Crowd) Join(slot uint8) { c.slots[slot]++; c.n++ }

// Leave is for one that Join was called for.
func (c *Crowd) Leave(slot uint8) { c.slots[slot]--; c.n-- }

// Len is how many there are.
func (c *Crowd) Len() int { return c.n }

// Rate is how many looks a second a tempo comes to.
func (c *Crowd) Rate(t Tempo, b Bounds) (rate float64) {
	for slot, n := range c.slots {
		if n > 0 {
			rate += float64(n) / t.Interval(middle(slot), b).Seconds()
		}
	}
	return rate
}

// Tempo is the one that comes to that many looks a second, as nearly as the bounds let it.
func (c *Crowd) Tempo(rate float64, b Bounds) Tempo {
	low, high := math.Log(1e-3), math.Log(1e9)
	for range 50 {
		mid := (low + high) / 2
		if c.Rate(Tempo(math.Exp(mid)), b) > rate {
			low = mid
		} else {
			high = mid
		}
	}
	return Tempo(math.Exp(high))
}
