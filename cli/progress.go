package cli

import (
	"fmt"
	"strings"
	"time"
)

// progress shows how far something is: one line that changes where stderr is a
// terminal, else a line each ten seconds, nothing with -q.
type progress struct {
	s     *session
	width int // of the terminal; 0: none
	began time.Time
	last  time.Time // of a plain line
	shown bool
}

const plainEvery = 10 * time.Second

func newProgress(s *session) *progress {
	return &progress{s: s, width: terminalWidth(s.Err), began: time.Now(), last: time.Now()}
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

// part shows a bar, how many of all there are done, and how long the rest may take at
// this pace.
func (p *progress) part(done, all int, things string) {
	const cells = 20
	filled := cells * done / max(all, 1)
	line := fmt.Sprintf("[%s%s] %d of %d %s", strings.Repeat("=", filled), strings.Repeat(" ", cells-filled), done, all, things)
	if took := time.Since(p.began); done > 0 && done < all && took > 2*time.Second {
		line += fmt.Sprintf(", %s to go", (took * time.Duration(all-done) / time.Duration(done)).Round(time.Second))
	}
	p.update(line)
}

// end takes the line away again.
func (p *progress) end() {
	if p.shown {
		_, _ = fmt.Fprint(p.s.Err, "\r\x1b[K")
		p.shown = false
	}
}
