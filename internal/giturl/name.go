package giturl

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gitmirror/internal/refusal"
)

// Bounds of a mirror's name.
const (
	maxName     = 400
	maxSegments = 20
)

// CheckName tells whether name can be a mirror's. The error is a
// *refusal.Error with code name_invalid.
func CheckName(name string) error {
	if why := badName(name); why != "" {
		return refusal.New(refusal.NameInvalid, "%.100q cannot be a name: %s", name, why).
			Try("use letters, of any script, digits and . _ ~ + - in parts joined by slashes, like github.com/acme/big; set it with --name")
	}
	return nil
}

func badName(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case !utf8.ValidString(name):
		return "it is not UTF-8"
	case len(name) > maxName:
		return fmt.Sprintf("it has %d bytes, at most %d are taken", len(name), maxName)
	}
	segments := strings.Split(name, "/")
	if len(segments) > maxSegments {
		return fmt.Sprintf("it has %d parts, at most %d are taken", len(segments), maxSegments)
	}
	if !norm.NFC.IsNormalString(name) {
		return "its letters are not in Unicode's composed form (NFC)"
	}
	for i, s := range segments {
		low, bare := strings.ToLower(s), s
		if i > 0 { // a forge's account may have a .github
			bare = strings.TrimPrefix(s, ".")
		}
		switch first, _ := utf8.DecodeRuneInString(bare); {
		case s == "":
			return "a part is empty"
		case s == "." || s == "..":
			return "a part is " + s
		case strings.HasSuffix(low, ".git"), strings.HasSuffix(low, ".lock"):
			return "a part ends in " + low[strings.LastIndexByte(low, '.'):]
		case !letterOrDigit(first) && first != '_' && first != '~':
			return "a part starts with " + printable(first)
		}
		for _, c := range s {
			if !letterOrDigit(c) && !strings.ContainsRune("._~+-", c) && !unicode.Is(unicode.M, c) {
				return fmt.Sprintf("%q is not allowed", c)
			}
		}
	}
	return ""
}

// letterOrDigit takes those of all scripts.
func letterOrDigit(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

// NormalName is a name as it is looked for: whoever types an accent apart from its letter, as some file
// systems do, means the same. What is not UTF-8 stays as it is.
func NormalName(name string) string {
	if !utf8.ValidString(name) {
		return name
	}
	return norm.NFC.String(name)
}

// printable is a character as it can be shown.
func printable(c rune) string {
	if unicode.IsPrint(c) {
		return string(c)
	}
	return fmt.Sprintf("%q", c)
}
