// Package oneline makes text of strangers fit to be shown: in a line, in a terminal, in a
// log that takes nothing but UTF-8.
package oneline

import (
	"strings"
	"unicode"
)

// Clip returns at most so many bytes of s, as UTF-8, and says with three dots where it has
// cut; most must be 3 at least.
func Clip(s string, most int) string {
	if len(s) <= most {
		return strings.ToValidUTF8(s, "?")
	}
	return strings.ToValidUTF8(s[:most-len(dots)], "") + dots
}

const dots = "..."

// Plain returns s with whatever a terminal would act upon replaced by instead: control
// characters, line ends among them, and those that change the direction of text.
func Plain(s string, instead rune) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return instead
		}
		return r
	}, s)
}
