package render

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"gitmirror/api"
)

var sourceColors = map[string]string{api.SourceListed: green, api.SourceListing: green, api.SourceFailing: red, api.SourceHeld: red}

// Sources draws a line for each source.
func (p Printer) Sources(list []api.Source) error {
	columns := []column{{head: "SOURCE"}, {head: "STATE"}, {head: "REPOS", right: true}, {head: "ERRORS", right: true}, {head: "LISTED"}, {head: "NAMESPACE", drop: 1}, {head: "OWNER", drop: 2}, {head: "WHERE", cut: true}}
	var rows [][]string
	for _, s := range list {
		listed, flaws := "-", 0
		if s.Listing != nil {
			listed, flaws = p.ago(&s.Listing.At), s.Listing.FlawsTotal
		}
		rows = append(rows, []string{cell(s.Name), p.colored(sourceColors[s.State], cell(s.State)), strconv.Itoa(s.Claims), strconv.Itoa(flaws), listed, cell(s.Namespace), cell(s.Owner), cell(where(s))})
	}
	return p.table(columns, rows)
}

// where is what a source is of.
func where(s api.Source) string {
	if s.Kind == api.SourceIndex {
		return s.URL
	}
	return s.Kind + " " + s.URL + "/" + s.Account
}

// Source draws all there is to know of one source.
func (p Printer) Source(s *api.Source) error {
	state := p.colored(sourceColors[s.State], cell(s.State))
	if s.Reason != "" {
		state += ": " + cell(s.Reason)
	}
	if s.Since != nil {
		state += " (since " + p.ago(s.Since) + ")"
	}
	if _, err := fmt.Fprintf(p.Out, "%s  %s\n", cell(s.Name), state); err != nil {
		return err
	}
	or := func(text, none string) string {
		if text == "" {
			return none
		}
		return cell(text)
	}
	list := [][2]string{
		{"index", cell(s.URL)},
		{"mirrored as", cell(s.Index)},
		{"read by", or(s.Owner, "no node")},
		{"ref", or(s.Ref, "where HEAD is")},
		{"path", or(s.Path, "all of it")},
		{"namespace", or(s.Namespace, "none")},
	}
	if s.Kind != api.SourceIndex {
		list = p.forge(s)
	}
	list = append(list, [2]string{"wants", count(s.Claims, "repository", "repositories")})
	if l := s.Listing; l != nil {
		list = append(list, [2]string{"listed", fmt.Sprintf("%s, %s: %s, of which %d added, %d changed, %d removed", p.ago(&l.At), number(s), count(l.Entries, "entry", "entries"), l.Added, l.Changed, l.Removed)})
		if l.Skipped > 0 {
			list = append(list, [2]string{"left out", count(l.Skipped, "repository", "repositories") + " that are not wanted"})
		}
		if l.Kept > 0 {
			list = append(list, [2]string{"kept", count(l.Kept, "repository", "repositories") + " left as before, because of errors or of what is held"})
		}
	}
	if u := s.Underway; u != nil {
		list = append(list, [2]string{"being listed", p.underway(u)})
	} else if s.Next != nil && s.Kind == api.SourceIndex {
		list = append(list, [2]string{"asked next", p.until(s.Next)})
	} else if s.Next != nil {
		list = append(list, [2]string{"listed next", p.until(s.Next)})
	}
	if h := s.Hold; h != nil {
		what := fmt.Sprintf("it would take away %d%s (since %s)", h.Lost, h.Besides(), p.ago(&h.Since))
		if h.Approved {
			what += ", which is approved"
		}
		list = append(list, [2]string{"held", p.colored(red, what)})
		if !h.Approved {
			list = append(list, [2]string{"", p.command("source approve " + cell(s.Name))})
		}
	}
	if err := p.pairs(list); err != nil {
		return err
	}
	if s.Hold != nil {
		if _, err := fmt.Fprintln(p.Out, "\nWould go"); err != nil {
			return err
		}
		for _, path := range s.Hold.First {
			if _, err := fmt.Fprintln(p.Out, "  "+cell(path)); err != nil {
				return err
			}
		}
		if more := s.Hold.Lost - len(s.Hold.First); more > 0 {
			if _, err := fmt.Fprintf(p.Out, "  and %d more\n", more); err != nil {
				return err
			}
		}
	}
	if err := p.heldRepos(s.Repos); err != nil {
		return err
	}
	return p.flaws(s.Listing)
}

// heldRepos draws a line for each repository that does not follow its upstream, which may be another by now.
func (p Printer) heldRepos(held *api.HeldRepos) error {
	if held == nil {
		return nil
	}
	if _, err := fmt.Fprintf(p.Out, "\nHeld: %s not followed\n", map[bool]string{true: "an upstream that is", false: "upstreams that are"}[held.Total == 1]); err != nil {
		return err
	}
	for _, r := range held.First {
		if _, err := fmt.Fprintf(p.Out, "  %s, of %s (since %s): %s\n", cell(r.Name), cell(r.URL), p.ago(&r.Since), cell(r.Message)); err != nil {
			return err
		}
	}
	if more := held.Total - len(held.First); more > 0 {
		_, err := fmt.Fprintf(p.Out, "  and %d more: %s\n", more, p.command("repo ls --state held"))
		return err
	}
	return nil
}

// flaws draws a line for each error of a listing, as compilers do.
func (p Printer) flaws(l *api.Listing) error {
	if l == nil || len(l.Flaws) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(p.Out, "\nErrors"); err != nil {
		return err
	}
	for _, f := range l.Flaws {
		at := cell(f.File)
		if f.Line > 0 {
			at += ":" + strconv.Itoa(f.Line)
		}
		line := "  " + at + ": " + cell(f.Why)
		if f.Hint != "" {
			line += "; " + cell(f.Hint)
		}
		if _, err := fmt.Fprintln(p.Out, line); err != nil {
			return err
		}
	}
	if more := l.FlawsTotal - len(l.Flaws); more > 0 {
		_, err := fmt.Fprintf(p.Out, "  and %d more\n", more)
		return err
	}
	return nil
}

// forge is what there is to know of a source that is a forge, and not of an index.
func (p Printer) forge(s *api.Source) [][2]string {
	owner := "no node"
	if s.Owner != "" {
		owner = cell(s.Owner)
	}
	by := "nobody's credential: as anybody may"
	switch {
	case len(s.Credentials) > 0:
		by = "the credential that is on " + cell(strings.Join(s.Credentials, ", "))
	case s.WithCredential:
		by = "a credential, which no node has that can be used"
	}
	for _, node := range slices.Sorted(maps.Keys(s.Unusable)) {
		by += fmt.Sprintf("; %s cannot use it: %s", cell(node), cell(s.Unusable[node]))
	}
	list := [][2]string{{"forge", cell(s.Kind + " " + s.URL)}, {"account", cell(s.Account)}, {"listed by", owner}, {"with", by}}
	if s.Selection == nil {
		return list
	}
	var wanted []string
	say := func(is bool, format string, args ...any) {
		if is {
			wanted = append(wanted, fmt.Sprintf(format, args...))
		}
	}
	w := s.Selection
	say(true, "%s", strings.Join(w.Visibility, ", "))
	say(w.Match != "", "matches %s", w.Match)
	say(w.Exclude != "", "not %s", w.Exclude)
	say(len(w.Topics) > 0, "about %s", strings.Join(w.Topics, " or "))
	say(w.SkipArchived, "not archived")
	say(w.SkipForks, "no forks")
	say(w.MaxRepoSize > 0, "up to %s", humanize.IBytes(uint64(w.MaxRepoSize)))
	say(w.Wiki, "with wikis")
	return append(list, [2]string{"wanted", cell(strings.Join(wanted, "; "))}, [2]string{"called", cell(w.Template)})
}

// underway is how far a listing has come.
func (p Printer) underway(u *api.Underway) string {
	text := "since " + p.ago(&u.Since)
	if u.Pages > 0 {
		text += fmt.Sprintf(", page %s, %s so far", humanize.Comma(int64(u.Pages)), count(u.Found, "repository", "repositories"))
	}
	if u.Changed > 0 {
		text += ", " + count(u.Changed, "change", "changes") + " made"
	}
	if u.Until != nil {
		text += ", waits for the forge's limit until " + u.Until.In(p.Now.Location()).Format("15:04")
	}
	if u.Trouble != "" {
		text += ", asks again: " + cell(u.Trouble)
	}
	return text
}

// number is which listing it was.
func number(s *api.Source) string {
	if s.Kind == api.SourceIndex {
		return fmt.Sprintf("generation %d", s.Listing.Generation)
	}
	return fmt.Sprintf("listing %d", s.Listing.Generation)
}
