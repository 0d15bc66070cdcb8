// Package spread counts durations so that many nodes' counts can be put together, and asks how
// long half of them are, or all but few: what it answers is no more than a fifth too much.
package spread

import (
	"math"
	"time"
)

// Spread is how many durations there are of which length. Its JSON is what nodes tell each other.
type Spread struct {
	N    int           `json:"n"`
	Most time.Duration `json:"most"`         // the longest, in nanoseconds
	Of   map[int]int   `json:"of,omitempty"` // how many in each quarter of an octave, from a millisecond up
}

const perOctave = 4

// Add counts one. What is less than a millisecond, or negative, counts as one.
func (s *Spread) Add(d time.Duration) {
	if s.Of == nil {
		s.Of = map[int]int{}
	}
	s.N++
	s.Most = max(s.Most, d)
	s.Of[int(math.Ceil(perOctave*math.Log2(max(float64(d)/float64(time.Millisecond), 1))))]++
}

// Join counts all that another has.
func (s *Spread) Join(o Spread) {
	if s.Of == nil {
		s.Of = map[int]int{}
	}
	s.N += o.N
	s.Most = max(s.Most, o.Most)
	for at, n := range o.Of {
		s.Of[at] += n
	}
}

// Share is a duration that that share of them is no longer than; 0 of none.
func (s Spread) Share(share float64) time.Duration {
	least, highest := int(math.Ceil(share*float64(s.N))), 0
	for at := range s.Of {
		highest = max(highest, at)
	}
	for at, sum := 0, 0; at <= highest; at++ {
		if sum += s.Of[at]; sum >= least && sum > 0 {
			return min(time.Duration(math.Exp2(float64(at)/perOctave)*float64(time.Millisecond)), s.Most)
		}
	}
	return s.Most
}
