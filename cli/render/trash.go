package render

import (
	"strconv"
	"strings"

	"gitmirror/api"
)

// Trash draws a line for each repo that was removed.
func (p Printer) Trash(list []api.Trashed) error {
	columns := []column{{head: "REPO", cut: true}, {head: "REMOVED"}, {head: "UNTIL"}, {head: "GENERATION", right: true}, {head: "COPIES", drop: 1}}
	named := map[string]int{}
	for _, t := range list {
		named[t.Name]++
	}
	several := false
	for _, n := range named {
		several = several || n > 1
	}
	if several { // which is told by its id
		columns = append(columns, column{head: "ID"})
	}
	var rows [][]string
	for _, t := range list {
		if several {
			rows = append(rows, []string{cell(t.Name), p.ago(&t.RemovedAt), t.Until.Local().Format("2006-01-02 15:04"), strconv.FormatUint(t.Generation, 10), cell(strings.Join(t.Nodes, ", ")), t.ID})
			continue
		}
		rows = append(rows, []string{cell(t.Name), p.ago(&t.RemovedAt), t.Until.Local().Format("2006-01-02 15:04"), strconv.FormatUint(t.Generation, 10), cell(strings.Join(t.Nodes, ", "))})
	}
	return p.table(columns, rows)
}
