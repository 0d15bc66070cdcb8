package source

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Entries are ordered as the table orders names.
func TestFoldedOrder(t *testing.T) {
	names := rapid.StringOf(rapid.SampledFrom([]rune("aAzZ/@[`{-é\u212a")))
	rapid.Check(t, func(t *rapid.T) {
		a, b := names.Draw(t, "a"), names.Draw(t, "b")
		if got, want := compareFolded(a, b), strings.Compare(fold(a), fold(b)); got != want {
			t.Errorf("%q and %q: %d, want %d", a, b, got, want)
		}
		l := Listing{Entries: []Entry{{Path: a, URLs: []string{"x"}}, {Path: b, URLs: []string{"y"}}}}
		l.Sort()
		if !slices.IsSortedFunc(l.Entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) }) || (len(l.Entries) == 1) != (fold(a) == fold(b)) {
			t.Errorf("%q and %q are listed as %+v", a, b, l.Entries)
		}
	})
}
