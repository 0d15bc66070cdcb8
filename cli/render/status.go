package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	if line := freshness(s.Freshness); line != "" {
		if _, err := fmt.Fprintf(p.Out, "\n%s\n", line); err != nil {
			return err
		}
	}
	return p.attention(s)
}

// Verdict is the cluster's state in one sentence.
func Verdict(s *api.Status) string { return Printer{Now: time.Now()}.verdict(s) }

func (p Printer) verdict(s *api.Status) string {
	up, others := 0, 0
	for _, n := range s.Nodes {
		if n.Live() {
			if up++; n.Name != s.AnsweredBy {
				others++
			}
		}
	}
	state := "is " + p.colored(yellow, strings.ToUpper(cell(s.Verdict)))
	switch s.Verdict {
	case api.Healthy:
		state = "is " + p.colored(green, "HEALTHY")
	case api.NoQuorum:
		state = "has " + p.colored(red, "NO QUORUM")
	}
	// Who hears of no leader knows of the others what it hears itself.
	nodes := fmt.Sprintf("%d of %s up", up, count(len(s.Nodes), "node", "nodes"))
	if s.Verdict == api.NoQuorum && s.AnsweredBy != "" {
		nodes = fmt.Sprintf("%s hears %d of %s", cell(s.AnsweredBy), others, count(len(s.Nodes)-1, "other node", "other nodes"))
	}
	since := ""
	if s.Since != nil {
		since = " for " + strings.TrimSuffix(p.ago(s.Since), " ago")
	}
	sentence := fmt.Sprintf("Cluster %s %s%s: %s, %s.", shortID(s.ClusterID), state, since, nodes, tolerance(s))
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
	width := 0
	for _, a := range s.Attention {
		width = max(width, len([]rune(p.attended(a))))
	}
	for i, a := range s.Attention {
		if i == 0 {
			if _, err := fmt.Fprintf(p.Out, "\nAttention\n"); err != nil {
				return err
			}
		}
		command := cell(a.Command)
		if line, ok := strings.CutPrefix(command, "gitmirror "); ok && !strings.HasPrefix(line, "start ") {
			command = p.command(line)
		}
		if _, err := fmt.Fprintf(p.Out, "  %s %-*s  %s\n", p.colored(yellow, "!"), width, p.attended(a), command); err != nil {
			return err
		}
	}
	return nil
}

// attended is what wants attention, and since when.
func (p Printer) attended(a api.Attention) string {
	if a.Since == nil {
		return cell(a.Message)
	}
	return cell(a.Message) + ", since " + p.ago(a.Since)
}
