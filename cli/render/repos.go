package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/api"

	"github.com/dustin/go-humanize"
)

// Repos draws a line a repo.
func (p Printer) Repos(repos []api.Repo) error {
	columns := []column{{head: "NAME", cut: true, ends: true}, {head: "STATE"}, {head: "OWNER"}, {head: "COPIES"}, {head: "GEN", right: true, drop: 4},
		{head: "REFS", right: true, drop: 3}, {head: "LAST CHECK", drop: 1}, {head: "LAST CHANGE", drop: 2}, {head: "ERROR", cut: true}}
	var rows [][]string
	for _, r := range repos {
		rows = append(rows, []string{cell(r.Name), p.repoState(&r), cell(r.Owner), CopyCount(&r), strconv.FormatUint(r.Generation, 10),
			strconv.FormatUint(uint64(r.Refs), 10), p.ago(r.LastCheck), p.ago(r.LastChange), trouble(&r)})
	}
	return p.table(columns, rows)
}

// ReposWide draws a line a repo with all that fits into one, however wide it gets.
func (p Printer) ReposWide(repos []api.Repo) error {
	p.Width = 0
	columns := []column{{head: "NAME"}, {head: "STATE"}, {head: "SINCE"}, {head: "OWNER"}, {head: "COPIES"}, {head: "GEN", right: true}, {head: "REFS", right: true},
		{head: "LAST CHECK"}, {head: "NEXT CHECK"}, {head: "LAST CHANGE"}, {head: "TRIES", right: true}, {head: "UPSTREAM"}, {head: "PROGRESS"}, {head: "ERROR"}}
	var rows [][]string
	for _, r := range repos {
		tries, upstream := "-", "-"
		if r.Error != nil && r.Error.Count != nil {
			tries = strconv.Itoa(*r.Error.Count)
		}
		if len(r.URLs) > 0 {
			upstream = cell(r.URLs[0])
		}
		rows = append(rows, []string{cell(r.Name), p.repoState(&r), p.ago(r.Since), cell(r.Owner), CopyCount(&r), strconv.FormatUint(r.Generation, 10),
			strconv.FormatUint(uint64(r.Refs), 10), p.ago(r.LastCheck), p.until(r.NextCheck), p.ago(r.LastChange), tries, upstream, cell(Underway(&r, 0)), trouble(&r)})
	}
	return p.table(columns, rows)
}

// Repo draws all there is to know of one repo. own says what limits it has of its own,
// and base is the URL of a node to clone from.
func (p Printer) Repo(r *api.Repo, own, base string) error {
	reason := ""
	if r.Since != nil {
		reason = " since " + p.ago(r.Since)
	}
	if r.Reason != "" {
		reason += ", " + cell(r.Reason)
	}
	if _, err := fmt.Fprintf(p.Out, "%s  %s%s\n", cell(r.Name), p.repoState(r), reason); err != nil {
		return err
	}
	durable := "only one copy has it yet"
	switch {
	case r.Generation == 0:
		durable = "nothing published yet"
	case r.Durable:
		durable = "survives the loss of any one node"
	}
	next := p.until(r.NextCheck)
	if r.RestsMS != nil {
		next += ": its host wants to be left alone"
	}
	if r.Paused {
		next = "when it is resumed: gitmirror repo resume " + cell(r.Name)
	}
	list := [][2]string{}
	for i, u := range r.URLs {
		key := "upstream"
		if i > 0 {
			key = "fallback"
		}
		list = append(list, [2]string{key, cell(u)})
	}
	if f := r.Fallback; f != nil {
		list = append(list, [2]string{"asked at", p.colored(yellow, cell(f.URL)+" since "+p.ago(&f.Since)+": the first did not answer"+p.tried(f.NextProbe))})
	}
	if r.Moved != nil {
		list = append(list,
			[2]string{"moved to", p.colored(yellow, cell(r.Moved.To)+" for good, says upstream (since "+p.ago(&r.Moved.Since)+")")},
			[2]string{"", p.following(r)})
	}
	for _, c := range r.Claims {
		what := cell(c.Source)
		if c.Path == "" {
			what += ", as its index"
		} else {
			what += ": " + cell(pathOf(c))
		}
		list = append(list, [2]string{"wanted by", what})
		if c.SubmodulesError != "" {
			list = append(list, [2]string{"submodules", p.colored(yellow, cell(c.SubmodulesError))})
		}
	}
	list = append(list, originLines(r.Origins)...)
	if r.ServesOf != "" {
		list = append(list, [2]string{"serves", p.colored(yellow, "what "+cell(r.ServesOf)+" had: its url is another since, of which nothing is served yet")})
	}
	if r.RetiredAt != nil {
		what := "nobody wants it any more, since " + p.ago(r.RetiredAt)
		if r.ServesOf == "" {
			what += "; to keep it: " + p.command("repo add "+cell(r.URLs[0])+" --name "+cell(r.Name))
		}
		list = append(list, [2]string{"retired", p.colored(yellow, what)})
	}
	if len(r.Aliases) > 0 {
		list = append(list, [2]string{"also called", cell(strings.Join(r.Aliases, ", "))})
	}
	for _, also := range r.Also {
		list = append(list, [2]string{"also", cell(also)})
	}
	list = append(list,
		[2]string{"owner", fmt.Sprintf("%s (epoch %d)", cell(r.Owner), r.Epoch)},
		[2]string{"copies", CopyCount(r) + " ready" + p.behind(r)},
		[2]string{"generation", fmt.Sprintf("%d (%s)", r.Generation, durable)},
		[2]string{"refs", humanize.Comma(int64(r.Refs)) + ", HEAD " + cell(strings.TrimPrefix(r.Head, "ref: "))},
		[2]string{"refs digest", cell(r.RefsDigest)},
		[2]string{"interval", interval(r)},
		[2]string{"last check", p.ago(r.LastCheck) + ", next " + next},
		[2]string{"as of", asOf(p, r)},
		[2]string{"last change", p.ago(r.LastChange)},
	)
	if len(r.RefPrefixes) > 0 {
		list = append(list, [2]string{"mirrored", mirrored(r.RefPrefixes)})
	}
	if own != "" {
		list = append(list, [2]string{"limits", cell(own)})
	}
	if r.Error != nil {
		times := ""
		if r.Error.Count != nil {
			times = fmt.Sprintf("%s in a row, ", count(*r.Error.Count, "time", "times"))
		}
		list = append(list, [2]string{"error", p.colored(red, fmt.Sprintf("%s (%ssince %s)", trouble(r), times, p.ago(&r.Error.Since)))})
	}
	if h := r.Hold; h != nil {
		list = append(list, [2]string{"held", p.colored(red, "since "+p.ago(&h.Since)+": "+cell(h.Message))})
		for _, c := range h.First[:min(len(h.First), shownLost)] {
			list = append(list, [2]string{"", cell(c.Ref) + "  " + step(c)})
		}
		if more := h.Lost - min(len(h.First), shownLost); more > 0 {
			list = append(list, [2]string{"", fmt.Sprintf("and %d more", more)})
		}
		if h.Approved != nil {
			list = append(list, [2]string{"approved", p.ago(h.Approved) + "; followed when upstream answers, unless it has taken away more since"})
		}
	}
	for _, pin := range r.Pins {
		upstream := ""
		if pin.Upstream != nil {
			upstream = "; upstream has " + orNone(*pin.Upstream)
		}
		if pin.Missing {
			upstream += ", which is shown: its object is in no copy any more"
		}
		list = append(list, [2]string{"restored", p.colored(yellow, cell(pin.Ref)+" at "+short(pin.OID)+upstream+"; until repo approve "+cell(r.Name)+" "+cell(pin.Ref))})
	}
	for _, rel := range r.Released {
		to := "; followed when upstream answers, where that is no loss"
		if rel.Upstream != nil {
			to = " to " + orNone(*rel.Upstream) + "; followed when upstream answers"
		}
		if r.Hold != nil {
			to += ", and nothing is held"
		}
		list = append(list, [2]string{"released", cell(rel.Ref) + to})
	}
	if r.Lost != nil {
		var first []string
		for _, c := range r.Lost.First {
			first = append(first, cell(c.Ref)+" "+step(c))
		}
		if r.Lost.Count > len(first) {
			first = append(first, "...")
		}
		list = append(list, [2]string{"lost today", p.colored(yellow, count(r.Lost.Count, "ref", "refs")+", kept for 30 days: "+strings.Join(first, ", "))})
	}
	if r.Skipped != nil {
		var first []string
		for _, s := range r.Skipped.First {
			first = append(first, cell(s.Ref)+" ("+cell(s.Reason)+")")
		}
		if r.Skipped.Count > len(first) {
			first = append(first, "...")
		}
		list = append(list, [2]string{"not mirrored", p.colored(yellow, count(r.Skipped.Count, "ref", "refs")+": "+strings.Join(first, ", "))})
	}
	for _, c := range r.Copies {
		if c.Upkeep != nil && c.Upkeep.Error != "" {
			list = append(list, [2]string{"maintenance", p.colored(yellow, cell(c.Node+": "+c.Upkeep.Error))})
		}
	}
	for _, key := range sortedKeys(r.Labels) {
		list = append(list, [2]string{"label", cell(key) + "=" + cell(r.Labels[key])})
	}
	list = append(list, [2]string{"id", cell(r.ID)}, [2]string{"clone", CloneCommand(base, r.Name)})
	if err := p.pairs(list); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(p.Out); err != nil {
		return err
	}
	columns := []column{{head: "NODE"}, {head: "ROLE"}, {head: "STATE"}, {head: "GENERATION", right: true}}
	kept := slices.ContainsFunc(r.Copies, func(c api.Copy) bool { return c.Upkeep != nil })
	if kept {
		columns = append(columns, column{head: "VERIFIED"}, column{head: "CHECKED"}, column{head: "COLLECTED"})
	}
	under := slices.ContainsFunc(r.Copies, func(c api.Copy) bool { return c.Progress != nil })
	if under {
		columns = append(columns, column{head: "PROGRESS", cut: true})
	}
	var rows [][]string
	for _, c := range r.Copies {
		role := "copy"
		if c.Node == r.Owner {
			role = "owner"
		}
		state := p.copyState(c.State)
		if c.Since != nil {
			state += " since " + p.ago(c.Since)
		}
		switch {
		case c.Away != "":
			state = p.colored(yellow, c.State+", "+c.Away)
		case c.Behind != "":
			state = p.colored(yellow, "behind: "+cell(c.Behind))
		}
		row := []string{cell(c.Node), role, state, strconv.FormatUint(c.Generation, 10)}
		if kept {
			row = append(row, p.upkeep(c.Upkeep)...)
		}
		if under {
			row = append(row, copyProgress(c.Progress))
		}
		rows = append(rows, row)
	}
	return p.table(columns, rows)
}

// upkeep is when a copy was found whole, by reading it and by git fsck, and when what nothing
// leads to went.
func (p Printer) upkeep(u *api.Upkeep) []string {
	if u == nil {
		return []string{"?", "?", "?"}
	}
	cells := make([]string, 3)
	for i, at := range []*time.Time{u.Read, u.Checked, u.Collected} {
		if cells[i] = "never"; at != nil {
			cells[i] = p.ago(at)
		}
	}
	if now := map[string]int{"read": 1, "check": 2, "gather": 3}[u.Doing]; now > 0 {
		cells[now-1] = p.colored(yellow, "under way")
	}
	return cells
}

// shownLost is how many of the losses of a hold are drawn.
const shownLost = 10

func step(c api.Change) string {
	if c.New == "" {
		return short(c.Old) + " -> gone"
	}
	return short(c.Old) + " -> " + short(c.New)
}

func short(oid string) string { return cell(oid[:min(10, len(oid))]) }

func orNone(oid string) string {
	if oid == "" {
		return "none"
	}
	return short(oid)
}

// Refs draws a line a ref.
func (p Printer) Refs(list []api.Ref) error {
	var rows [][]string
	for _, r := range list {
		state, at := "live", ""
		switch {
		case r.Kept && r.ReplacedBy == "":
			state, at = "kept, deleted", p.ago(r.At)
		case r.Kept:
			state, at = "kept, moved to "+short(r.ReplacedBy), p.ago(r.At)
		case r.Pinned:
			state = p.colored(yellow, "restored")
		}
		rows = append(rows, []string{cell(r.Ref), short(r.OID), state, at})
	}
	return p.table([]column{{head: "REF", cut: true}, {head: "TIP"}, {head: "STATE"}, {head: "WHEN"}}, rows)
}

// CloneCommand is the line with which a repo is cloned from the node at base.
func CloneCommand(base, name string) string {
	return "git clone " + CloneURL(base, name)
}

// CloneURL is where a repository is cloned from, at the node with that public address.
func CloneURL(base, name string) string { return strings.TrimRight(base, "/") + "/git/" + cell(name) }

func (p Printer) repoState(r *api.Repo) string {
	color := map[api.Tone]string{api.Good: green, api.Bad: red, api.Fair: yellow}[api.StateOf(r.State).Tone]
	return p.colored(color, cell(r.State))
}

func (p Printer) copyState(state string) string {
	switch state {
	case "ready":
		return p.colored(green, state)
	case "broken":
		return p.colored(red, state)
	}
	return p.colored(yellow, cell(state))
}

// following is how what has moved is followed: where only a source wants it, by what that lists.
func (p Printer) following(r *api.Repo) string {
	for _, o := range r.Origins {
		if o.Setting == "upstream" && o.Source != "" && slices.ContainsFunc(r.Claims, func(c api.Claim) bool { return c.Path != "" }) { // an index is listed nowhere
			return "it goes where " + cell(o.Source) + " lists it; to keep it whatever that lists: " + p.command("repo add "+cell(r.URLs[0])+" --name "+cell(r.Name)) + " && " + cell(r.Moved.Follow(r.Name, r.URLs))
		}
	}
	return cell(r.Moved.Follow(r.Name, r.URLs))
}

// tried says when the first url is tried again, where that is known.
func (p Printer) tried(at *time.Time) string {
	if at == nil {
		return ""
	}
	return ", and is tried again " + p.until(at)
}

// behind is how many of those lack what is published.
func (p Printer) behind(r *api.Repo) string {
	n := 0
	for _, c := range r.Copies {
		if c.Behind != "" && c.Away == "" {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return p.colored(yellow, fmt.Sprintf(", %d of them behind", n))
}

// CopyCount is how many copies are ready, where clients get them, of how many there
// shall be.
func CopyCount(r *api.Repo) string {
	ready := 0
	for _, c := range r.Copies {
		if c.State == "ready" && c.Away == "" {
			ready++
		}
	}
	return fmt.Sprintf("%d/%d", ready, r.Replicas)
}

// trouble is why a repo is not what it should be.
func trouble(r *api.Repo) string {
	if r.Error != nil {
		return cell(r.Error.Class + ": " + r.Error.Message)
	}
	return cell(r.Reason)
}

// mirrored says which refs are, in words where there are such.
func mirrored(prefixes []string) string {
	words := map[string]string{"refs/heads/": "branches", "refs/tags/": "tags"}
	list := make([]string, len(prefixes))
	for i, p := range prefixes {
		if list[i] = cell(p) + "*"; words[p] != "" {
			list[i] = words[p]
		}
	}
	return strings.Join(list, ", ")
}

// originLines say whose the settings are, a line for each who has set some.
func originLines(origins []api.Origin) (list [][2]string) {
	settings := map[string][]string{}
	var who []string
	for _, o := range origins {
		if settings[o.Source] == nil {
			who = append(who, o.Source)
		}
		settings[o.Source] = append(settings[o.Source], o.Setting)
	}
	for _, source := range who {
		key := "set by hand"
		if source != "" {
			key = "by " + cell(source)
		}
		list = append(list, [2]string{key, cell(strings.Join(settings[source], ", "))})
	}
	return list
}

// pathOf is where a source has what it wants: in a forge that is known by its number, and when it was made.
func pathOf(c api.Claim) string {
	if number, _, forge := strings.Cut(c.Path, "@"); forge && c.File != "" {
		return c.File + " (id " + number + ")"
	}
	return c.Path
}
