package render

import (
	"fmt"
	"slices"
	"strings"

	"gitmirror/api"

	"github.com/dustin/go-humanize"
)

// Status draws the verdict, the nodes, and what wants attention.
func (p Printer) Status(s *api.Status) error {
	if _, err := fmt.Fprintf(p.Out, "%s\n\n", p.verdict(s)); err != nil {
		return err
	}
	if err := p.Nodes(s.Nodes); err != nil {
		return err
	}
	return p.attention(s)
}

// Verdict is the cluster's state in one sentence.
func Verdict(s *api.Status) string { return Printer{}.verdict(s) }

func (p Printer) verdict(s *api.Status) string {
	up := 0
	for _, n := range s.Nodes {
		if n.State == "up" || n.State == "draining" {
			up++
		}
	}
	state := "is " + p.colored(yellow, strings.ToUpper(cell(s.Verdict)))
	switch s.Verdict {
	case api.Healthy:
		state = "is " + p.colored(green, "HEALTHY")
	case api.NoQuorum:
		state = "has " + p.colored(red, "NO QUORUM")
	}
	sentence := fmt.Sprintf("Cluster %s %s: %d of %s up, %s.", shortID(s.ClusterID), state, up,
		count(len(s.Nodes), "node", "nodes"), tolerance(s))
	return sentence + " " + repoCounts(s.Repos) + "."
}

func tolerance(s *api.Status) string {
	switch {
	case s.Verdict == api.NoQuorum:
		return "no writes until a majority is back"
	case s.Tolerates == 0:
		return "tolerates no failure"
	}
	return "tolerates " + count(s.Tolerates, "failure", "failures")
}

func repoCounts(c api.RepoCounts) string {
	total := count(c.Total, "repository", "repositories")
	all := c.Total > 1 && c.ByState[api.StateReady] == c.Total
	if all {
		total += ", all ready"
	}
	parts := []string{total}
	add := func(n int, word string) {
		if n > 0 {
			parts = append(parts, humanize.Comma(int64(n))+" "+word)
		}
	}
	for _, state := range slices.Backward(api.States) { // what is well first
		switch n := c.ByState[state.Name]; {
		case state.Name == api.StateRemoving:
			add(n, "being removed")
		case state.Name != api.StateReady || !all:
			add(n, state.Name)
		}
	}
	add(c.Syncing, "syncing now")
	add(c.Stale, "stale")
	return strings.Join(parts, ", ")
}

// shortID is the beginning of an id, enough for people to tell it from another.
func shortID(id string) string {
	if id == "" {
		return "?"
	}
	if len(id) > 8 {
		return cell(id[:8])
	}
	return cell(id)
}

// attention draws a line for each thing a person should look at, with the
// command to look with.
func (p Printer) attention(s *api.Status) error {
	var lines [][2]string
	add := func(command, format string, args ...any) {
		lines = append(lines, [2]string{fmt.Sprintf(format, args...), p.command(command)})
	}
	if s.CatchingUp {
		add("status", "%s has started and not caught up yet: what it shows is incomplete", cell(s.AnsweredBy))
	}
	if s.Leader == "" {
		if heard := p.ago(s.LastContact); heard != "-" {
			add("node ls", "no leader: writes are refused, and this is what %s knew %s", cell(s.AnsweredBy), heard)
		} else {
			add("node ls", "no leader: writes are refused")
		}
	}
	for _, n := range s.Nodes {
		if n.State != "up" && n.State != "draining" && n.State != "left" {
			add("node show "+n.Name, "%s is %s", cell(n.Name), cell(n.State))
		}
		if n.Disk != nil {
			add("node show "+n.Name, "the disk of %s is %s", cell(n.Name), cell(n.Disk.Class))
		}
		if n.Sick != nil {
			add("node show "+n.Name, "the copies on %s are out of service", cell(n.Name))
		}
	}
	for _, t := range s.Trouble {
		about := cell(t.Step)
		if t.Subject != "" {
			about += " of " + cell(t.Subject)
		}
		add("node ls", "%s fails at %s: %s", cell(t.Node), about, cell(t.Message))
	}
	for _, state := range api.States {
		if n := s.Repos.ByState[state.Name]; n > 0 && state.Alert != "" {
			add("repo ls --state "+state.Name, "%s %s", count(n, "repository", "repositories"), state.Alert)
		}
	}
	if s.Repos.Stale > 0 {
		add("repo ls", "%s not checked for three intervals", count(s.Repos.Stale, "repository", "repositories"))
	}
	if len(s.Nodes) == 1 && s.Nodes[0].Peer != "" {
		add("start --join "+s.Nodes[0].Peer, "one node alone: its loss stops everything; run on another host")
		lines[len(lines)-1][1] = "gitmirror start --join " + cell(s.Nodes[0].Peer)
	}
	if len(lines) == 0 {
		return nil
	}
	width := 0
	for _, l := range lines {
		width = max(width, len(l[0]))
	}
	if _, err := fmt.Fprintf(p.Out, "\nAttention\n"); err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(p.Out, "  %s %-*s  %s\n", p.colored(yellow, "!"), width, l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}
