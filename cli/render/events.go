package render

import (
	"cmp"
	"fmt"
	"strings"

	"gitmirror/api"

	"github.com/dustin/go-humanize"
)

// eventColors are those of what is worse than before, and of what is well again.
var eventColors = map[string]string{
	"failing": red, "held": red, "broken": red, "generation_lost": red, "node_down": red, "node_impaired": red,
	"recovered": green, "healed": green, "node_up": green, "node_recovered": green,
	"approval_unused": yellow, api.EventDropped: yellow,
}

// shownChanges is how many changed refs a line names.
const shownChanges = 3

// Event draws an event in a line: when, its number, what, of whom, and in whose log it is told.
func (p Printer) Event(e *api.Event) error {
	name, told := cmp.Or(e.Repo, e.Source), ""
	switch {
	case name == "":
		name = e.Node
	case e.Node != "":
		told = "  (" + cell(e.Node) + ")"
	}
	if name != "" {
		name = "  " + cell(name)
	}
	what := eventDetail(e)
	if what != "" {
		what = "  " + what
	}
	kind := p.colored(eventColors[e.Type], fmt.Sprintf("%-15s", cell(e.Type)))
	_, err := fmt.Fprintf(p.Out, "%s  %6d  %s%s%s%s\n", e.At.In(p.Now.Location()).Format("2006-01-02 15:04:05"), e.Seq, kind, name, what, told)
	return err
}

// eventDetail is what an event says besides, and which refs it changed.
func eventDetail(e *api.Event) string {
	var said []string
	if e.Type == "published" || e.Type == "generation_lost" {
		said = append(said, fmt.Sprintf("generation %d", e.Generation))
	}
	if e.Detail != "" {
		said = append(said, cell(e.Detail))
	}
	if e.ChangesTotal > 0 {
		var refs []string
		for _, c := range e.Changes[:min(len(e.Changes), shownChanges)] {
			refs = append(refs, cell(c.Ref)+" "+cell(c.Kind))
		}
		if more := int(e.ChangesTotal) - len(refs); more > 0 {
			refs = append(refs, humanize.Comma(int64(more))+" more")
		}
		said = append(said, count(int(e.ChangesTotal), "ref changed", "refs changed")+": "+strings.Join(refs, ", "))
	}
	return strings.Join(said, ", ")
}
