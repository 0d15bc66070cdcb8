package cli

import (
	"fmt"
	"time"
)

// progress shows how far something is: one line that changes where stderr is a
// terminal, else a line each ten seconds, nothing with -q.
type progress struct {
	s     *session
	width int // of the terminal; 0: none
	last  time.Time
	shown bool
}

const plainEvery = 10 * time.Second

func newProgress(s *session) *progress {
	return &progress{s: s, width: terminalWidth(s.Err), last: time.Now()}
}

func (p *progress) update(line string) {
	switch {
	case p.s.quiet || p.s.json:
	case p.width > 0:
		line = printable(line)
		if r := []rune(line); len(r) >= p.width {
			line = string(r[:p.width-1])
		}
		_, _ = fmt.Fprintf(p.s.Err, "\r%s\x1b[K", line)
		p.shown = true
	case time.Since(p.last) >= plainEvery:
		p.s.remark("%s", line)
		p.last = time.Now()
	}
}

// end takes the line away again.
func (p *progress) end() {
	if p.shown {
		_, _ = fmt.Fprint(p.s.Err, "\r\x1b[K")
		p.shown = false
	}
}
