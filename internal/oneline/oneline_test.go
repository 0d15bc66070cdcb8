package oneline_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"gitmirror/internal/oneline"
)

func TestClip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, most := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))+rapid.String().Draw(t, "text"), rapid.IntRange(3, 40).Draw(t, "most")
		got := oneline.Clip(s, most)
		switch {
		case len(got) > most, !utf8.ValidString(got):
			t.Fatalf("%q clipped to %d: %q", s, most, got)
		case len(s) <= most && utf8.ValidString(s) && got != s:
			t.Fatalf("%q was short enough: %q", s, got)
		case len(s) > most && !strings.HasSuffix(got, "..."):
			t.Fatalf("%q is cut without a word: %q", s, got)
		}
	})
}

func TestPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text") + "\x1b[31m\n\u202e\u0085"
		if got := oneline.Plain(s, ' '); strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) || utf8.RuneCountInString(got) != utf8.RuneCountInString(s) {
			t.Fatalf("%q is made %q", s, got)
		}
	})
	if got := oneline.Plain("größer", ' '); got != "größer" {
		t.Errorf("%q", got)
	}
}
