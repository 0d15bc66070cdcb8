package past_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// Until LostUntil, Lost says the same.
func TestLostUntil(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1_700_000_000, 0).UTC()
		hours := func(what string) time.Duration {
			return time.Duration(rapid.IntRange(-40, 40).Draw(t, what)) * time.Hour
		}
		r := &past.Record{}
		for i := range rapid.IntRange(0, 4).Draw(t, "names") {
			for j := range rapid.IntRange(1, 3).Draw(t, "tips") {
				r.Tips = append(r.Tips, past.Tip{Name: fmt.Sprint("refs/heads/", i), OID: strings.Repeat(fmt.Sprint(j), 40), Until: start.Add(hours("until")),
					Settled: rapid.Bool().Draw(t, "settled"), Lost: rapid.Bool().Draw(t, "lost")})
			}
		}
		table := &refs.Table{Generation: 1}
		first := refs.LogTime{Now: start.Add(hours("now")), DatesHold: rapid.Bool().Draw(t, "dates hold")}
		later := first
		later.Now = later.Now.Add(max(hours("later"), 0))
		until := r.LostUntil(first)
		if !until.IsZero() && !later.Now.Before(until) {
			return
		}
		if d := cmp.Diff(r.Lost(table, first), r.Lost(table, later)); d != "" {
			t.Fatalf("at %s it says other than at %s, and was to be the same until %s:\n%s", later.Now, first.Now, until, d)
		}
	})
}
