package failure

import (
	"strings"
	"unicode"
)

// keptBytes is how much of a message is kept: more than the log has room for helps nobody.
const keptBytes = 500

// Kept is what may stay in memory of a failure: its class, the wait, and no more words than
// are shown. What led to it may hold all that an upstream has answered.
func (e *Error) Kept() *Error {
	if e == nil {
		return nil
	}
	return &Error{Class: e.Class, Message: Clip(e.Message, keptBytes), RetryAfter: e.RetryAfter, Host: e.Host}
}

// Clip leaves of somebody's words what a terminal can bear: about that many bytes at most,
// without control characters. It copies, and so holds nothing of what it was given.
func Clip(words string, most int) string {
	cut := len(words) > 4*most // the longest character has four bytes
	if cut {
		words = words[:4*most]
	}
	words = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, words)
	if len(words) > most {
		words, cut = words[:most], true
	}
	words = strings.ToValidUTF8(words, "")
	if cut {
		return words + "…"
	}
	return strings.Clone(words)
}
