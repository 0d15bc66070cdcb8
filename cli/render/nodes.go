package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/api"
)

// Nodes draws a line a node. Which engine each has is said where one has another than git.
func (p Printer) Nodes(nodes []api.Node) error {
	columns := []column{{head: "NODE"}, {head: "ROLE"}, {head: "STATE"}, {head: "OWNED", right: true}, {head: "COPIES", right: true},
		{head: "LEAVING", right: true, drop: 3}, {head: "HTTP"}, {head: "VERSION", drop: 1, cut: true}, {head: "SINCE", drop: 2}}
	var rows [][]string
	for _, n := range nodes {
		rows = append(rows, []string{cell(n.Name), cell(n.Role), p.nodeState(n), strconv.Itoa(n.Owned), strconv.Itoa(n.Copies),
			strconv.Itoa(n.Leaving), cell(n.HTTP), cell(n.Version), p.ago(&n.Since)})
	}
	if slices.ContainsFunc(nodes, func(n api.Node) bool { return n.Engine == api.EngineGoGit }) {
		columns = append(columns, column{head: "ENGINE"})
		for i, n := range nodes {
			rows[i] = append(rows[i], cell(n.Engine))
		}
	}
	return p.table(columns, rows)
}

// Node draws all there is to know of one node.
func (p Printer) Node(n *api.Node) error {
	if _, err := fmt.Fprintf(p.Out, "%s  %s, %s\n", cell(n.Name), p.nodeState(*n), cell(n.Role)); err != nil {
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
		{strings.Replace(cell(n.State), api.NodeDraining, api.NodeUp, 1) + " since", since},
		{"went down", count(int(n.Flaps), "time", "times")},
	}
	if n.Engine != "" {
		list = slices.Insert(list, 2, [2]string{"engine", cell(engineWords(n.Engine))})
	}
	for _, i := range []struct {
		what string
		*api.Impairment
	}{{"disk", n.Disk}, {"copies", n.Sick}} {
		if i.Impairment != nil {
			list = append(list, [2]string{i.what, p.colored(red, fmt.Sprintf("%s: %s (since %s)", cell(i.Class), cell(i.Message), p.ago(&i.Since)))})
		}
	}
	if d := n.Drain; d != nil {
		list = append(list, [2]string{"draining", fmt.Sprintf("%s (since %s)", DrainLeft(n), p.ago(&d.Since))})
		for _, w := range d.Waiting {
			list = append(list, [2]string{"", cell(w.Repo) + ": " + cell(w.Why)})
		}
	}
	return p.pairs(list)
}

// engineWords says what an engine means.
func engineWords(engine string) string {
	if engine == api.EngineGoGit {
		return engine + " (it has no git: clients get packs from other nodes)"
	}
	return engine
}

// DrainLeft says how much is left on a node that is draining.
func DrainLeft(n *api.Node) string {
	switch d := n.Drain; {
	case d == nil:
		return "it is not draining"
	case d.Left > 0:
		return fmt.Sprintf("%s left, owns %d", count(d.Left, "copy", "copies"), n.Owned)
	case !d.Done:
		return "no copies left, it leads still"
	}
	return "all that it had is elsewhere"
}

// nodeState is what the node is, and how many copies are left on one that is draining.
func (p Printer) nodeState(n api.Node) string {
	color := red
	switch n.State {
	case api.NodeUp:
		color = green
	case api.NodeSuspect, api.NodeDraining, api.NodeLeft:
		color = yellow
	}
	state := cell(n.State)
	switch d := n.Drain; {
	case d == nil:
	case d.Left > 0:
		state += fmt.Sprintf(" (%d left)", d.Left)
	default:
		state += " (drained)"
	}
	return p.colored(color, state)
}
