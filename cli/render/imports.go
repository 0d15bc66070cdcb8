package render

import "github.com/dustin/go-humanize"

// Imported is what became of a repository of a forge, or would.
type Imported struct {
	Repository     string
	Size           int64 // bytes; 0 where that is not told
	Action, Reason string
}

var actionColors = map[string]string{"error": red, "add": green, "added": green}

// widest is how much is shown of what a forge may make as long as it likes: where no terminal is, tables are
// as wide as their longest line.
const widest = 200

// Imported draws a line for each.
func (p Printer) Imported(list []Imported) error {
	columns := []column{{head: "REPOSITORY", cut: true, ends: true}, {head: "SIZE", right: true}, {head: "ACTION"}, {head: "REASON", cut: true}}
	var rows [][]string
	for _, r := range list {
		size, reason := "-", ""
		if r.Reason != "" {
			reason = Ends(cell(r.Reason), widest)
		}
		if r.Size > 0 {
			size = humanize.IBytes(uint64(r.Size))
		}
		rows = append(rows, []string{Ends(cell(r.Repository), widest), size, p.colored(actionColors[r.Action], r.Action), reason})
	}
	return p.table(columns, rows)
}
