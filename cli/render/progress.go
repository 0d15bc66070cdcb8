package render

import (
	"fmt"
	"strings"

	"gitmirror/api"

	"github.com/dustin/go-humanize"
)

// Underway says in a line how far a repository is that is cloned, fetched or copied, with bars of
// so many cells where they are to be drawn; empty where nobody says that it is.
func Underway(r *api.Repo, cells int) string {
	var copies []string
	for _, c := range r.Copies {
		switch {
		case c.Node == r.Owner && c.Progress != nil && r.Generation == 0:
			return "Cloning " + howFar(c.Progress, cells)
		case c.Node == r.Owner && c.Progress != nil:
			return "Fetching " + howFar(c.Progress, cells)
		}
	}
	under := false
	for _, c := range r.Copies {
		switch {
		case c.Node == r.Owner:
		case c.Progress != nil:
			under = true
			copies = append(copies, cell(c.Node)+" "+briefly(c.Progress))
		case c.State == "ready" && c.Generation == r.Generation:
			copies = append(copies, cell(c.Node)+" done")
		default:
			copies = append(copies, cell(c.Node)+" to come")
		}
	}
	if !under {
		return ""
	}
	return "Replicate " + strings.Join(copies, ", ")
}

// briefly is how far one of several is.
func briefly(p *api.Progress) string {
	if p.Percent == nil {
		return cell(p.Phase)
	}
	percent := fmt.Sprintf("%d%%", *p.Percent)
	if p.Phase != api.PhaseReceiving {
		return cell(p.Phase) + " " + percent
	}
	return strings.TrimSpace(percent + " " + speed(p))
}

// howFar is what there is to know of it in a line, a bar among it.
func howFar(p *api.Progress, cells int) string {
	var words []string
	if p.Phase != api.PhaseReceiving {
		words = append(words, phase(p))
	}
	if p.Percent != nil {
		percent := fmt.Sprintf("%d%%", *p.Percent)
		if cells > 0 {
			percent = fmt.Sprintf("%3d%% %s", *p.Percent, bar(*p.Percent, cells)) // what stands behind it stays where it is
		}
		words = append(words, percent)
	}
	if p.Bytes > 0 {
		words = append(words, humanize.IBytes(uint64(p.Bytes)))
	}
	if p.Phase == api.PhaseReceiving {
		words = append(words, speed(p))
	}
	if p.AllObjects != nil {
		words = append(words, fmt.Sprintf("objects %s/%s", humanize.Comma(p.Objects), humanize.Comma(*p.AllObjects)))
	}
	return strings.Join(words, "  ")
}

func speed(p *api.Progress) string {
	if p.Phase != api.PhaseReceiving {
		return ""
	}
	return humanize.IBytes(uint64(max(p.Rate, 0))) + "/s"
}

// phase is what goes on, in words.
func phase(p *api.Progress) string {
	switch p.Phase {
	case api.PhaseWaiting:
		return "waits for its turn"
	case api.PhasePreparing:
		return cell(from(p)) + " prepares a pack"
	case api.PhaseReceiving, api.PhaseResolving, api.PhaseChecking:
		return p.Phase
	}
	return cell(p.Phase)
}

func from(p *api.Progress) string {
	if p.Peer != "" {
		return p.Peer
	}
	return p.Upstream
}

// eighths are the beginnings of a cell.
var eighths = []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// bar is that much of so many cells; empty where there are none.
func bar(percent, cells int) string {
	if cells <= 0 {
		return ""
	}
	full := min(max(percent, 0), 100) * cells * 8 / 100
	drawn := strings.Repeat("█", full/8) + eighths[full%8]
	return drawn + strings.Repeat(" ", cells-full/8-min(full%8, 1))
}

// copyProgress is a cell of a table.
func copyProgress(p *api.Progress) string {
	if p == nil {
		return "-"
	}
	line := howFar(p, 0)
	if p.Phase == api.PhaseReceiving {
		line = p.Phase + "  " + line
	}
	if p.Phase != api.PhasePreparing {
		line += "  from " + cell(from(p))
	}
	return line
}
