package gitfsck

import "strings"

// readConfig reads a file in the form of git-config(1), as git does, and hands over its values,
// each with the section it is in and the section's name, where it has one, until each returns
// false. A key without a value is passed over. It ends where git would not read on. A mark of
// UTF-8 at the beginning git reads over in files, though not in objects.
func readConfig(data []byte, each func(section string, named bool, name, key, value string) bool) {
	c := &config{data: data}
	if strings.HasPrefix(string(data), "\ufeff") {
		c.at = len("\ufeff")
	}
	for !c.failed {
		switch b, ok := c.next(); {
		case !ok:
			return
		case b == '\n' || isSpace(b):
		case b == '#' || b == ';':
			c.comment()
		case b == '[':
			c.head()
		case isLetter(b):
			key, value, set := c.variable(b)
			if !c.failed && set && c.section != "" && !each(c.section, c.named, c.name, key, value) {
				return
			}
		default:
			return
		}
	}
}

// config is how far a file is read.
type config struct {
	data          []byte
	at            int
	section, name string
	named         bool
	failed        bool
}

// next is the next byte: a line may end as those of Windows do.
func (c *config) next() (byte, bool) {
	if c.at >= len(c.data) {
		return 0, false
	}
	b := c.data[c.at]
	c.at++
	if b == '\r' && c.at < len(c.data) && c.data[c.at] == '\n' {
		b = '\n'
		c.at++
	}
	return b, true
}

// upTo is next, with a line's end where the file ends.
func (c *config) upTo() byte {
	if b, ok := c.next(); ok {
		return b
	}
	return '\n'
}

func (c *config) comment() {
	for b, ok := c.next(); ok && b != '\n'; b, ok = c.next() {
	}
}

// head reads a section's: [section], [section "name"] or, of old, [section.name].
func (c *config) head() {
	var word strings.Builder
	for {
		b, ok := c.next()
		switch {
		case !ok:
			c.failed = true
			return
		case b == ']':
			c.section, c.name, c.named = strings.Cut(strings.ToLower(word.String()), ".")
			return
		case isSpace(b):
			c.section, c.name, c.named = strings.ToLower(word.String()), c.quoted(), true
			return
		case !isKey(b) && b != '.':
			c.failed = true
			return
		}
		word.WriteByte(b)
	}
}

// quoted reads the rest of a head: a name in quotes.
func (c *config) quoted() string {
	b, ok := c.next()
	for ok && isSpace(b) {
		b, ok = c.next()
	}
	var name strings.Builder
	if c.failed = !ok || b != '"'; c.failed {
		return ""
	}
	for {
		b, ok = c.next()
		if ok && b == '\\' {
			b, ok = c.next()
		} else if ok && b == '"' {
			b, ok = c.next()
			c.failed = !ok || b != ']'
			return name.String()
		}
		if !ok || b == '\n' {
			c.failed = true
			return ""
		}
		name.WriteByte(b)
	}
}

// variable reads a line KEY = VALUE whose first letter was read.
func (c *config) variable(first byte) (key, value string, set bool) {
	word := []byte{first}
	b := c.upTo()
	for ; isKey(b); b = c.upTo() {
		word = append(word, b)
	}
	for b == ' ' || b == '\t' {
		b = c.upTo()
	}
	key = strings.ToLower(string(word))
	if b == '\n' {
		return key, "", false
	}
	if b != '=' {
		c.failed = true
		return key, "", false
	}
	return key, c.value(), true
}

// value reads one: quotes may be anywhere in it, and spaces count within it.
func (c *config) value() string {
	var out []byte
	quote, comment, keep := false, false, 0 // bytes of out that stay when the line ends
	for {
		b := c.upTo()
		switch {
		case b == '\n':
			c.failed = quote
			return string(out[:keep])
		case comment:
			continue
		case isSpace(b) && !quote:
			if len(out) > 0 {
				out = append(out, b)
			}
			continue
		case !quote && (b == ';' || b == '#'):
			comment = true
			continue
		case b == '"':
			quote = !quote
			keep = len(out)
			continue
		case b == '\\':
			escape := c.upTo()
			if escape == '\n' {
				continue // it goes on in the next line
			}
			escaped, known := escapes[escape]
			if !known {
				c.failed = true
				return ""
			}
			b = escaped
		}
		out = append(out, b)
		keep = len(out)
	}
}

var escapes = map[byte]byte{'t': '\t', 'b': '\b', 'n': '\n', '\\': '\\', '"': '"'}

func isSpace(b byte) bool  { return b == ' ' || b == '\t' || b == '\r' }
func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
func isKey(b byte) bool    { return isLetter(b) || b >= '0' && b <= '9' || b == '-' }
