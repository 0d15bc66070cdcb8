package ring

import (
	"testing"

	"pgregory.net/rapid"
)

// What is passed over for its least distance is never nearer than that.
func TestNoDistanceIsLessThanItsLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Uint64().Draw(t, "x") >> rapid.IntRange(0, 63).Draw(t, "shift")
		for _, lot := range []uint64{x | 1, ^x | 1} {
			if least, is := leastDistanceOf(lot), distanceOf(lot); least > is {
				t.Fatalf("lot %x is at %d, no less than %d", lot, is, least)
			}
		}
	})
}
