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
	began time.Time
	last  time.Time // of a plain line
	shown bool
}

const plainEvery = 10 * time.Second

func newProgress(s *session) *progress {
	return &progress{s: s, began: time.Now(), last: time.Now()}
}

// width is that of the terminal, as it is now: a window may be made another size. 0: there is none.
func (p *progress) width() int { return terminalWidth(p.s.Err) }

func (p *progress) update(line string) {
	width := p.width()
	switch {
	case p.s.quiet || p.s.json:
	case width > 0:
		line = printable(line)
		if r := []rune(line); len(r) >= width {
			line = string(r[:max(width-2, 0)]) + "…"
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
	line := fmt.Sprintf("%d of %d %s", done, all, things)
	if took := time.Since(p.began); done > 0 && done < all && took > 2*time.Second {
		line += fmt.Sprintf(", %s to go", (took * time.Duration(all-done) / time.Duration(done)).Round(time.Second))
	}
	if width := p.width(); width == 0 || cells+3+len(line) < width {
		line = fmt.Sprintf("[%s%s] %s", strings.Repeat("=", filled), strings.Repeat(" ", cells-filled), line)
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
