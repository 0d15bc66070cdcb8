package git

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"
)

const tailBytes = 4096

// Tail keeps the end of what a child prints, and knows when it last printed
// and what phases it went through. It may be read while the child runs.
type Tail struct {
	mu    sync.Mutex
	buf   []byte
	last  time.Time
	line  []byte          // the beginning of the present line
	whole []byte          // the beginning of the one before it that was not empty
	phase string          // of the last line
	saw   map[string]bool // phases
}

// Write takes everything and keeps the end.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - tailBytes; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			if len(t.line) > 0 {
				t.line, t.whole = t.whole[:0], t.line
			}
		case len(t.line) < 64:
			if t.line = append(t.line, c); c == ':' && bytes.IndexByte(t.line, ':') == len(t.line)-1 {
				t.enter(string(t.line[:len(t.line)-1]))
			}
		}
	}
	return len(p), nil
}

func (t *Tail) enter(phase string) {
	if t.saw == nil {
		t.saw = map[string]bool{}
	}
	if t.phase = phase; len(t.saw) < 100 {
		t.saw[phase] = true
	}
}

// Phase is what the child is at: how its last line begins, up to a colon. Git
// puts "remote: " before every line of the other side.
func (t *Tail) Phase() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase
}

// Line is how the last line begins: the present one, or, where that is empty still, the one
// before. Git ends a line of its progress as soon as it has written it.
func (t *Tail) Line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.line) == 0 {
		return string(t.whole)
	}
	return string(t.line)
}

// Saw tells whether the child went through a phase.
func (t *Tail) Saw(phase string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.saw[phase]
}

// LastWrite is when the child last printed, zero if never.
func (t *Tail) LastWrite() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// String returns the last complete messages on one line, without progress,
// control characters or escape sequences.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.FieldsFuncSeq(string(t.buf), func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(strings.Map(printable, line))
		if line != "" && !strings.Contains(line, "% (") && !strings.HasPrefix(line, "hint:") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-4):], "; ")
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
		return -1
	}
	return r
}

// OwnWords leaves out of what git said (see Error) what the other side has said.
func OwnWords(text string) string {
	lines := strings.Split(text, "; ")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "remote:") }), "; ")
}
