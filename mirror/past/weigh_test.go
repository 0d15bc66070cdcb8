package past_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// flat is a history of commits without parents: a ref leads to its own alone, but for
// those that are merged into main.
type flat struct{ merged map[string]bool }

func (f flat) Reached(tips []string, list, without []refs.Ref) (map[string]bool, error) {
	reached := map[string]bool{}
	for _, t := range tips {
		reached[t] = without == nil && f.merged[t] || slices.ContainsFunc(list, func(r refs.Ref) bool { return r.OID == t })
	}
	return reached, nil
}

func (f flat) Unrelated(pairs [][2]string) ([]bool, error) {
	out := make([]bool, len(pairs))
	for i, p := range pairs {
		out[i] = p[0] != p[1]
	}
	return out, nil
}

func (f flat) Left(old, _ []string) ([]int, error) { return make([]int, len(old)), nil }

// walk follows an upstream through its lists, one after the other, and tells whether
// it was held on the way, with the record it ended with.
func walk(t *rapid.T, f past.Facts, lists [][]refs.Ref, times []time.Time) (held string) {
	base, record := &refs.Table{}, (*past.Record)(nil)
	for i, list := range lists {
		s := &past.Step{Base: base, Past: record, List: list, Changes: refs.Diff(base, list), At: at(times[i])}
		for k := range s.Changes {
			if s.Changes[k].Kind == refs.Updated {
				s.Changes[k].Kind = refs.Forced
			}
		}
		v, err := s.Weigh(f)
		if err != nil {
			t.Fatal(err)
		}
		if v.Reason != "" {
			return v.Reason
		}
		record = s.Next(v, func(string) bool { return false })
		if again, err := past.Decode(record.Encode(), record.Digest()); err != nil {
			t.Fatal(err)
		} else {
			record = again
		}
		base = &refs.Table{Generation: uint64(i + 1), Refs: list}
	}
	return ""
}

// However upstream cuts a loss into steps, within a day it comes to the same: what is
// held at once is held in the end, whatever is added beside it, and what is not is not.
func TestALossInStepsIsALoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "refs")
		f := flat{merged: map[string]bool{}}
		var first []refs.Ref
		gone := map[string]int{} // by name, at which step
		steps := rapid.IntRange(1, 5).Draw(t, "steps")
		for i := range n {
			r := refs.Ref{Name: fmt.Sprintf("refs/heads/b%02d", i), OID: oid(i + 1)}
			if rapid.IntRange(0, 3).Draw(t, "tag") == 0 {
				r.Name = fmt.Sprintf("refs/tags/t%02d", i)
			}
			first = append(first, r)
			f.merged[r.OID] = rapid.Bool().Draw(t, "merged")
			if rapid.Bool().Draw(t, "goes") {
				gone[r.Name] = rapid.IntRange(1, steps).Draw(t, "when")
			}
		}
		refs.Sort(first)
		at := func(step int) (list []refs.Ref) {
			for _, r := range first {
				if when, goes := gone[r.Name]; !goes || when > step {
					list = append(list, r)
				}
			}
			return list
		}
		last := at(steps)
		if len(last) == 0 {
			return // another rule's
		}
		start := time.Unix(1_700_000_000, 0).UTC()
		once := walk(t, f, [][]refs.Ref{first, last}, []time.Time{start, start.Add(time.Hour)})
		lists, times := [][]refs.Ref{first}, []time.Time{start}
		for i := 1; i <= steps; i++ {
			list := at(i)
			for k := range rapid.IntRange(0, 20).Draw(t, "junk") {
				list = append(list, refs.Ref{Name: fmt.Sprintf("refs/heads/junk%02d", k), OID: oid(1000 + k)})
			}
			refs.Sort(list)
			lists, times = append(lists, list), append(times, times[i-1].Add(time.Duration(rapid.IntRange(0, 4*3600).Draw(t, "pause"))*time.Second))
		}
		if slowly := walk(t, f, lists, times); (slowly != "") != (once != "") {
			t.Fatalf("of %d refs %d go: at once it is held for %q, in %d steps for %q", n, n-len(last), once, steps, slowly)
		}
	})
}
