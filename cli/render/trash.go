package render

import (
	"strconv"
	"strings"

	"gitmirror/api"
)

// Trash draws a line for each repo that was removed.
func (p Printer) Trash(list []api.Trashed) error {
	columns := []column{{head: "REPO", cut: true}, {head: "REMOVED"}, {head: "UNTIL"}, {head: "GENERATION", right: true}, {head: "COPIES", drop: 1}}
	var rows [][]string
	for _, t := range list {
		rows = append(rows, []string{cell(t.Name), p.ago(&t.RemovedAt), t.Until.Local().Format("2006-01-02 15:04"), strconv.FormatUint(t.Generation, 10), cell(strings.Join(t.Nodes, ", "))})
	}
	return p.table(columns, rows)
}
