package spread_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitmirror/internal/spread"
)

// Whatever is counted, wherever, and put together: what is answered is what a sorted list would
// answer, or up to a fifth more.
func TestASpreadAnswersAsAListWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Map(rapid.Int64Range(int64(time.Millisecond), int64(1000*time.Hour)), func(n int64) time.Duration { return time.Duration(n) }), 1, 200).Draw(t, "list")
		parts := make([]spread.Spread, 3)
		for i, d := range list {
			parts[i%len(parts)].Add(d)
		}
		var all spread.Spread
		for _, p := range parts {
			data, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var told spread.Spread
			if err := json.Unmarshal(data, &told); err != nil {
				t.Fatal(err)
			}
			all.Join(told)
		}
		slices.Sort(list)
		for _, share := range []float64{0.01, 0.5, 0.95, 1} {
			want := list[max(int(math.Ceil(share*float64(len(list))))-1, 0)]
			if got := all.Share(share); got < want-1 || float64(got) > 1.2*float64(want) {
				t.Fatalf("%g of %d are no longer than %s, want %s", share, len(list), got, want)
			}
		}
	})
}

func TestOfNone(t *testing.T) {
	var s spread.Spread
	if s.Share(0.5) != 0 || s.Share(1) != 0 {
		t.Error("none have a length")
	}
	s.Add(-time.Hour)
	if got := s.Share(1); got != 0 {
		t.Errorf("one that is negative is %s", got)
	}
}
