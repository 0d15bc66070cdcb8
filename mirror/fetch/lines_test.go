package fetch

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab\n"))).Draw(t, "text")
		var got []string
		l := &lines{each: func(line []byte) error { got = append(got, string(line)); return nil }}
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "write")
			if k, err := l.Write([]byte(rest[:n])); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		want := strings.Split(text, "\n")
		if want = want[:len(want)-1]; !slices.Equal(got, want) {
			t.Fatalf("%q became %q", text, got)
		}
	})
	l := &lines{each: func([]byte) error { return nil }}
	part := make([]byte, 1<<20)
	for range longestLine / len(part) {
		if _, err := l.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Write(part); err == nil {
		t.Error("a line without end was held in memory")
	}
}
