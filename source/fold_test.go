package source

import (
	"slices"
	"strings"
	"testing"

	"gitmirror/internal/asciifold"

	"pgregory.net/rapid"
)

// Entries are ordered as the table orders names.
func TestFoldedOrder(t *testing.T) {
	names := rapid.StringOf(rapid.SampledFrom([]rune("aAzZ/@[`{-é\u212a")))
	rapid.Check(t, func(t *rapid.T) {
		a, b := names.Draw(t, "a"), names.Draw(t, "b")
		if got, want := asciifold.Compare(a, b), strings.Compare(asciifold.String(a), asciifold.String(b)); got != want {
			t.Errorf("%q and %q: %d, want %d", a, b, got, want)
		}
		l := Listing{Entries: []Entry{{Path: a, URLs: []string{"x"}}, {Path: b, URLs: []string{"y"}}}}
		l.Sort()
		if !slices.IsSortedFunc(l.Entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) }) || (len(l.Entries) == 1) != (asciifold.String(a) == asciifold.String(b)) {
			t.Errorf("%q and %q are listed as %+v", a, b, l.Entries)
		}
	})
}
