package gitfsck

import (
	"strings"
	"unicode/utf8"
)

// Some file systems take other names for the same: those of macOS ignore some characters, and
// case; that of Windows ignores case, spaces and dots at the end, and what follows a colon, and
// gives each long name a short one.

// isDotGit tells whether some file system takes a name, or what is behind a backslash in it, for
// .git.
func isDotGit(name string) bool {
	if foldHFS(name) == ".git" {
		return true
	}
	for _, tail := range tails(name) {
		if isNTFSDotGit(tail) {
			return true
		}
	}
	return false
}

func isNTFSDotGit(name string) bool {
	lower := strings.ToLower(name)
	for _, form := range []string{".git", "git~1"} {
		rest, ok := strings.CutPrefix(lower, form)
		if !ok {
			continue
		}
		rest = strings.TrimLeft(rest, " .")
		if rest == "" || rest[0] == '\\' || rest[0] == ':' {
			return true
		}
	}
	return false
}

// dotFile is a name that begins with a dot, and the first letters of the short name that Windows
// makes of a hash of it where others have the plainer ones.
type dotFile struct{ name, short string }

var (
	isModules    = dotFile{"gitmodules", "gi7eba"}
	isAttributes = dotFile{"gitattributes", "gi7d29"}
)

func (d dotFile) hfs(name string) bool { return foldHFS(name) == "."+d.name }

func (d dotFile) ntfs(name string) bool {
	lower := strings.ToLower(name)
	if rest, ok := strings.CutPrefix(lower, "."+d.name); ok && isNTFSEnd(rest) {
		return true
	}
	if rest, ok := strings.CutPrefix(lower, d.name[:6]+"~"); ok && rest != "" && rest[0] >= '1' && rest[0] <= '4' && isNTFSEnd(rest[1:]) {
		return true
	}
	return d.hashed(lower)
}

// hashed tells a short name of eight characters: some letters, a tilde and a number.
func (d dotFile) hashed(lower string) bool {
	if len(lower) < 8 || !isNTFSEnd(lower[8:]) {
		return false
	}
	tilde := strings.IndexByte(lower[:8], '~')
	if tilde < 0 || tilde > 6 || !strings.HasPrefix(d.short, lower[:tilde]) {
		return false
	}
	number := lower[tilde+1 : 8]
	return number != "" && number[0] != '0' && strings.Trim(number, "0123456789") == ""
}

// isNTFSEnd tells what may follow a name: spaces and dots, and then a stream.
func isNTFSEnd(rest string) bool {
	rest = strings.TrimLeft(rest, " .")
	return rest == "" || rest[0] == ':'
}

// foldHFS is a name as macOS compares it.
func foldHFS(name string) string {
	if ascii := strings.ToLower(name); isASCII(name) {
		return ascii
	}
	if !utf8.ValidString(name) {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
			return -1
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
