package giturl

import (
	"fmt"
	"strings"

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
			Try("use letters, digits and . _ ~ + - in parts joined by slashes, like github.com/acme/big; set it with --name")
	}
	return nil
}

func badName(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case len(name) > maxName:
		return fmt.Sprintf("it has %d bytes, at most %d are taken", len(name), maxName)
	}
	segments := strings.Split(name, "/")
	if len(segments) > maxSegments {
		return fmt.Sprintf("it has %d parts, at most %d are taken", len(segments), maxSegments)
	}
	for _, s := range segments {
		low := strings.ToLower(s)
		switch {
		case s == "":
			return "a part is empty"
		case s == "." || s == "..":
			return "a part is " + s
		case strings.HasSuffix(low, ".git"), strings.HasSuffix(low, ".lock"):
			return "a part ends in " + low[strings.LastIndexByte(low, '.'):]
		case !letterOrDigit(s[0]) && s[0] != '_' && s[0] != '~':
			return "a part starts with " + s[:1]
		}
		for i := 0; i < len(s); i++ {
			if !letterOrDigit(s[i]) && !strings.ContainsRune("._~+-", rune(s[i])) {
				return fmt.Sprintf("%q is not allowed", s[i:i+1])
			}
		}
	}
	return ""
}

func letterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
