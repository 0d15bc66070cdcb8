package render

import (
	"fmt"
	"strconv"
	"time"

	"gitmirror/api"
)

// Nodes draws a line a node.
func (p Printer) Nodes(nodes []api.Node) error {
	columns := []column{{head: "NODE"}, {head: "ROLE"}, {head: "STATE"}, {head: "OWNED", right: true}, {head: "COPIES", right: true},
		{head: "LEAVING", right: true, drop: 3}, {head: "HTTP"}, {head: "VERSION", drop: 1, cut: true}, {head: "SINCE", drop: 2}}
	var rows [][]string
	for _, n := range nodes {
		rows = append(rows, []string{cell(n.Name), cell(n.Role), p.nodeState(n.State), strconv.Itoa(n.Owned), strconv.Itoa(n.Copies),
			strconv.Itoa(n.Leaving), cell(n.HTTP), cell(n.Version), p.ago(&n.Since)})
	}
	return p.table(columns, rows)
}

// Node draws all there is to know of one node.
func (p Printer) Node(n *api.Node) error {
	if _, err := fmt.Fprintf(p.Out, "%s  %s, %s\n", cell(n.Name), p.nodeState(n.State), cell(n.Role)); err != nil {
		return err
	}
	since := p.ago(&n.Since)
	if !n.Since.IsZero() {
		since += " (" + n.Since.UTC().Format(time.RFC3339) + ")"
	}
	list := [][2]string{
		{"id", cell(n.ID)},
		{"version", cell(n.Version)},
		{"http", cell(n.HTTP)},
		{"peer", cell(n.Peer)},
		{"owns", count(n.Owned, "repository", "repositories")},
		{"holds", count(n.Copies, "copy", "copies")},
		{"leaving", count(n.Leaving, "copy", "copies")},
		{cell(n.State) + " since", since},
		{"went down", count(int(n.Flaps), "time", "times")},
	}
	for _, i := range []struct {
		what string
		*api.Impairment
	}{{"disk", n.Disk}, {"copies", n.Sick}} {
		if i.Impairment != nil {
			list = append(list, [2]string{i.what, p.colored(red, fmt.Sprintf("%s: %s (since %s)", cell(i.Class), cell(i.Message), p.ago(&i.Since)))})
		}
	}
	return p.pairs(list)
}

func (p Printer) nodeState(state string) string {
	color := red
	switch state {
	case "up":
		color = green
	case "suspect", "draining", "left":
		color = yellow
	}
	return p.colored(color, cell(state))
}
