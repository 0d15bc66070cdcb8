// Package render draws the cluster's state as text: aligned columns without
// borders, complete and plain where no terminal reads them. On a terminal they
// fit its width, and states have a colour beside their word.
package render

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Printer draws onto Out.
type Printer struct {
	Out     io.Writer
	Width   int                      // of the terminal; 0: none, nothing is ever cut or left out
	Color   bool                     // colours are wanted
	Now     time.Time                // what "3s ago" counts from
	Command func(line string) string // makes "repo ls" a whole command line; may be nil
}

// column is a column of a table.
type column struct {
	head  string
	right bool
	drop  int  // left out first where it is highest and the terminal narrow; 0: never
	cut   bool // shortened where the terminal is narrow
	ends  bool // in the middle: both ends tell names apart
}

// shortest is what a cut column keeps.
const shortest = 16

func (p Printer) table(columns []column, rows [][]string) error {
	keep := p.fit(columns, rows)
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.BoxStyle{PaddingRight: "  "}})
	t.SuppressTrailingSpaces()
	var configs []table.ColumnConfig
	for n, c := range keep {
		align := text.AlignLeft
		if columns[c.index].right {
			align = text.AlignRight
		}
		configs = append(configs, table.ColumnConfig{Number: n + 1, Align: align, AlignHeader: align})
	}
	t.SetColumnConfigs(configs)
	draw := func(cell func(c kept) string) table.Row {
		var row table.Row
		for _, c := range keep {
			row = append(row, cell(c))
		}
		return row
	}
	t.AppendHeader(draw(func(c kept) string { return columns[c.index].head }))
	for _, r := range rows {
		t.AppendRow(draw(func(c kept) string {
			if c.width > 0 && columns[c.index].ends {
				return Ends(r[c.index], c.width)
			}
			if c.width > 0 {
				return text.Snip(r[c.index], c.width, "…")
			}
			return r[c.index]
		}))
	}
	_, err := fmt.Fprintln(p.Out, t.Render())
	return err
}

// Ends is a name in so many cells: as much of its beginning as fits before what its last part is.
func Ends(name string, width int) string {
	r := []rune(name)
	if len(r) <= width {
		return name
	}
	tail := (width - 1) / 2
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		if last := len([]rune(name[i:])); last < width-3 {
			tail = last
		}
	}
	return string(r[:width-1-tail]) + "…" + string(r[len(r)-tail:])
}

// kept is a column that is shown, cut to width where that is not 0.
type kept struct{ index, width int }

func (p Printer) fit(columns []column, rows [][]string) []kept {
	widths, total, slack := make([]int, len(columns)), 0, 0
	for i, c := range columns {
		widths[i] = len(c.head)
		for _, r := range rows {
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(r[i]))
		}
		total += widths[i] + 2
		if c.cut {
			slack += max(0, widths[i]-shortest)
		}
	}
	out := map[int]bool{}
	for p.Width > 0 && total-slack-2 > p.Width {
		i := droppable(columns, out)
		if i < 0 {
			break
		}
		out[i] = true
		total -= widths[i] + 2
	}
	cut := make([]int, len(columns))
	for i, c := range slices.Backward(columns) { // what stands last is cut first
		over := total - 2 - p.Width
		if p.Width == 0 || over <= 0 || out[i] || !c.cut || widths[i] <= shortest {
			continue
		}
		cut[i] = max(shortest, widths[i]-over)
		total -= widths[i] - cut[i]
	}
	var keep []kept
	for i := range columns {
		if !out[i] {
			keep = append(keep, kept{index: i, width: cut[i]})
		}
	}
	return keep
}

func droppable(columns []column, out map[int]bool) int {
	best := -1
	for i, c := range columns {
		if !out[i] && c.drop > 0 && (best < 0 || c.drop > columns[best].drop) {
			best = i
		}
	}
	return best
}

// pairs draws "key  value" lines.
func (p Printer) pairs(list [][2]string) error {
	width := 0
	for _, kv := range list {
		width = max(width, len(kv[0]))
	}
	for _, kv := range list {
		if _, err := fmt.Fprintf(p.Out, "  %-*s  %s\n", width, kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

func (p Printer) command(line string) string {
	if p.Command != nil {
		return p.Command(line)
	}
	return "gitmirror " + line
}

// The colours states come in.
const (
	green  = "32"
	yellow = "33"
	red    = "31"
)

func (p Printer) colored(color, s string) string {
	if !p.Color || color == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

var compact = []humanize.RelTimeMagnitude{
	{D: time.Second, Format: "now", DivBy: time.Second},
	{D: time.Minute, Format: "%ds%s", DivBy: time.Second},
	{D: time.Hour, Format: "%dm%s", DivBy: time.Minute},
	{D: 48 * time.Hour, Format: "%dh%s", DivBy: time.Hour},
	{D: 1 << 62, Format: "%dd%s", DivBy: 24 * time.Hour},
}

// ago is how long ago t was, "-" where nobody knows.
func (p Printer) ago(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	if t.After(p.Now) { // another machine's clock
		return "now"
	}
	return humanize.CustomRelTime(*t, p.Now, " ago", "", compact)
}

func (p Printer) until(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	if t.Sub(p.Now) < time.Second {
		return "now"
	}
	return "in " + humanize.CustomRelTime(*t, p.Now, "", "", compact)
}

// cell is text of somebody else in one line, without what a terminal would
// act upon.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// span is a duration without the zeros at its end.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func count(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return humanize.Comma(int64(n)) + " " + plural
}

// And joins names as a sentence does.
func And(names []string) string {
	switch n := len(names); n {
	case 0:
		return "none"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
