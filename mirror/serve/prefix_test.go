package serve

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAnyPrefix(t *testing.T) {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("ab/")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		prefixes := rapid.SliceOfN(word, 0, 12).Draw(t, "prefixes")
		name := word.Draw(t, "name")
		want := len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		if got := anyPrefix(prefixes)(name); got != want {
			t.Fatalf("%q begins with one of %q: %v, want %v", name, prefixes, got, want)
		}
	})
}
