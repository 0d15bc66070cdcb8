package git

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

const tailBytes = 4096

// Tail keeps the end of what a child prints and knows when it last printed.
// It may be read while the child runs.
type Tail struct {
	mu   sync.Mutex
	buf  []byte
	last time.Time
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
	return len(p), nil
}

// LastWrite is when the child last printed, zero if never.
func (t *Tail) LastWrite() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// Phase is what git is at: the beginning of the last line, up to the colon. The
// words of the other side are all in the phase "remote".
func (t *Tail) Phase() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := bytes.TrimRight(t.buf, "\r\n")
	phase, _, _ := bytes.Cut(last[bytes.LastIndexAny(last, "\r\n")+1:], []byte(":"))
	return string(phase)
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
