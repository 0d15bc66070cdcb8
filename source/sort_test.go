package source

import (
	"fmt"
	"slices"
	"testing"
)

// Of equal paths the first by file and line stays, in whatever order they come; flaws come so too, those of one
// place as they were found; and what is in doubt is found.
func TestAListingIsOrdered(t *testing.T) {
	entry := func(path, file string, line int) Entry {
		at := fmt.Sprint(path, file, line)
		return Entry{Path: path, File: file, Line: line, URLs: []string{at}, Keys: []string{at}}
	}
	l := Listing{
		Entries:      []Entry{entry("y", "b", 1), entry("x", "b", 1), entry("x", "a", 2), entry("x", "a", 1)},
		Unknown:      []string{"z", "c", "c"},
		UnknownPaths: []string{"q", "p"},
	}
	var want []string
	for i := range 30 { // of one place
		why := fmt.Sprint("it is ", i)
		l.Flaws, want = append(l.Flaws, Flaw{File: "b", Line: 2, Why: why}), append(want, "b 2 "+why)
	}
	l.Flaws = append(l.Flaws, Flaw{File: "b", Line: 1}, Flaw{File: "a", Line: 9})
	want = slices.Concat([]string{"a 2 x is in a:1 already", "a 9 ", "b 1 ", "b 1 x is in a:1 already"}, want)
	l.Sort()
	if x := l.Find("x"); len(l.Entries) != 2 || x == nil || x.File != "a" || x.Line != 1 {
		t.Errorf("%+v", l.Entries)
	}
	var got []string
	for _, f := range l.Flaws {
		got = append(got, fmt.Sprintf("%s %d %s", f.File, f.Line, f.Why))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !slices.Equal(l.Unknown, []string{"a", "b", "c", "z"}) || !l.doubtsPath("p") || !l.doubtsPath("q") {
		t.Errorf("%q, %q", l.Unknown, l.UnknownPaths)
	}
}
