package gitfsck

import (
	"bytes"
	"net/url"
	"strings"
)

// Bounds of what git reads by itself.
const (
	MostModules    = 128 << 20 // bytes of a .gitmodules: larger ones git is told not to hold in memory
	MostAttributes = 100 << 20 // of a .gitattributes, as git bounds them
	longestLine    = 2048      // of a line in one
)

// Modules looks at a file .gitmodules. What git cannot read in it is no danger, and is passed
// over, with all behind it. carriage is the id of the flaw that a submodule's path has a carriage
// return in it, which git has none for; empty for not to look. See Commit.
func Modules(data []byte, carriage string, taken func(id string) bool) error {
	r := &report{taken: taken}
	readConfig(data, func(section string, named bool, name, key, value string) bool {
		if section != "submodule" || !named {
			return true
		}
		if !lawfulName(name) && !r.flaw("gitmodulesName", "a submodule is named %.60q", name) {
			return false
		}
		switch {
		case key == "url" && !lawfulURL(value):
			return r.flaw("gitmodulesUrl", "a submodule is at %.60q", value)
		case key == "path" && strings.HasPrefix(value, "-"):
			return r.flaw("gitmodulesPath", "a submodule has the path %.60q", value)
		case key == "update" && strings.HasPrefix(value, "!"):
			return r.flaw("gitmodulesUpdate", "a submodule is updated by a command")
		case key == "path" && carriage != "" && strings.Contains(value, "\r"):
			return r.flaw(carriage, "a .gitmodules that has a submodule path with a carriage return (CVE-2025-48384)")
		}
		return true
	})
	return r.result()
}

// Attributes looks at a file .gitattributes. See Commit.
func Attributes(data []byte, taken func(id string) bool) error {
	r := &report{taken: taken}
	if len(data) > MostAttributes && !r.flaw("gitattributesLarge", "it has %d bytes", len(data)) {
		return r.result()
	}
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSuffix(line, []byte("\n"))) >= longestLine {
			r.flaw("gitattributesLineLength", "a line has %d bytes", len(line))
			break
		}
	}
	return r.result()
}

// lawfulName tells whether a submodule's name may be a directory's: it is one below .git/modules.
func lawfulName(name string) bool {
	if name == "" {
		return false
	}
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == ".." {
			return false
		}
	}
	return true
}

// lawfulURL tells whether a submodule may be asked for at an address: one that looks like an
// option, or would have its host elsewhere than it looks, is none.
func lawfulURL(address string) bool {
	if strings.HasPrefix(address, "-") {
		return false
	}
	relative := strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") || strings.HasPrefix(address, ".\\") || strings.HasPrefix(address, "..\\")
	if relative || strings.HasPrefix(address, "git://") {
		if strings.Contains(decode(address), "\n") {
			return false
		}
		// What climbs above where it begins may replace a host.
		ups, rest := climb(address)
		return ups == 0 || !strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, "/")
	}
	web := address
	for _, helper := range []string{"http::", "https::", "ftp::", "ftps::"} {
		web = strings.TrimPrefix(web, helper)
	}
	for _, scheme := range []string{"http://", "https://", "ftp://", "ftps://"} {
		if strings.HasPrefix(web, scheme) {
			u, err := url.Parse(web)
			return err == nil && u.Host != "" && !strings.Contains(decode(web), "\n")
		}
	}
	return web == address // a helper is only for those
}

// climb counts the steps up at the beginning of a path, and returns what is behind them.
func climb(path string) (ups int, rest string) {
	for rest = path; ; {
		switch {
		case strings.HasPrefix(rest, "../"), strings.HasPrefix(rest, "..\\"):
			ups, rest = ups+1, rest[3:]
		case strings.HasPrefix(rest, "./"), strings.HasPrefix(rest, ".\\"):
			rest = rest[2:]
		default:
			return ups, rest
		}
	}
}

// decode undoes the escapes of an address, as far as they are some.
func decode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			b.WriteByte(byte(unhex(s[i+1])<<4 | unhex(s[i+2])))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unhex(c byte) int { return strings.IndexByte("0123456789abcdef", c|0x20) }
