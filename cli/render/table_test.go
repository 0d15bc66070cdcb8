package render

import (
	"testing"
	"unicode/utf8"
)

// A name that does not fit keeps both its ends.
func TestNamesAreCutInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		name  string
		width int
		want  string
	}{
		{"github.com/acme/big", 19, "github.com/acme/big"}, {"github.com/acme/big", 18, "github.com/ac…/big"}, {"github.com/acme/big", 16, "github.com/…/big"},
		{"h/a-name-without-an-end", 11, "h/a-n…n-end"}, {"without-a-slash-at-all", 10, "witho…-all"}, {"größe/größer/äöü", 12, "größe/g…/äöü"},
	} {
		if got := Ends(c.name, c.width); got != c.want || utf8.RuneCountInString(got) > c.width {
			t.Errorf("%s in %d: %q, want %q", c.name, c.width, got, c.want)
		}
	}
}
