package policy

import (
	"strings"

	"gitmirror/internal/refusal"
)

// Bounds of the prefixes of one policy.
const (
	maxPrefixes = 64
	maxPrefix   = 512 // bytes
)

// AdmitPrefixes refuses what no ref that can be mirrored begins with, by the rules of git-check-ref-format(1), with a
// *refusal.Error: it would leave a mirror empty, and nobody would know why.
func AdmitPrefixes(prefixes []string) error {
	if len(prefixes) > maxPrefixes {
		return refusal.New(refusal.Invalid, "%d prefixes of refs are too many, at most %d are possible", len(prefixes), maxPrefixes)
	}
	for _, p := range prefixes {
		switch why := unlike(p); {
		case len(p) > maxPrefix:
			return refusal.New(refusal.Invalid, "%.100q has %d bytes, more than a prefix of refs may have (%d)", p, len(p), maxPrefix)
		case strings.ContainsAny(p, "*?["):
			return refusal.New(refusal.Invalid, "%.100q is no prefix of refs: %s", p, why).Try("write refs/heads/ for all that is below it")
		case why != "":
			return refusal.New(refusal.Invalid, "%.100q is no prefix of refs: %s", p, why).Try("say refs: [refs/heads/, refs/tags/]")
		}
	}
	return nil
}

// unlike says why no ref that is mirrored begins with a text; empty where one may.
func unlike(prefix string) string {
	if !strings.HasPrefix(prefix, "refs/") {
		return "it does not begin with refs/"
	}
	for _, c := range []byte(prefix) {
		switch {
		case c < ' ', c == 0x7f:
			return "it has a control character"
		case c == ' ':
			return "it has a blank"
		case strings.IndexByte("~^:?*[\\", c) >= 0:
			return "it has a " + string(rune(c))
		}
	}
	for _, never := range []string{"..", "@{", "//", "/.", ".lock/"} {
		if strings.Contains(prefix, never) {
			return "it has " + never
		}
	}
	if strings.HasPrefix(prefix, "refs/gitmirror/") {
		return "refs there are our own"
	}
	return ""
}
