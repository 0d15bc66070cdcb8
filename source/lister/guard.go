package lister

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/oneline"
	"gitmirror/source"
)

// What a listing would take away: what may go, what is held until a person lets it go, and what stays.

// guard holds back what a listing would take away and may not unasked, and returns which changes leave their rows, of which
// nobody was asked, and for what, and what a person has let it. What is held has a digest: a person lets go what was shown, and nothing else. A forge that has
// nothing any more is held however little it had, but for what is in another of its accounts. An entry that
// leaves its row for another's, so that nobody wants that any more, is as good as gone.
func (l *Lister) guard(view *fsm.View, src *fsm.Source, listing *source.Listing, changes *source.Changes, state *command.Listed) (left []int, to []string, approved []byte) {
	left = leaving(view, src, listing, *changes)
	for _, i := range left {
		e := &listing.Entries[i]
		to = append(to, e.Path+" "+e.Keys[0])
	}
	slices.Sort(to)
	hold := holdOf(changes.Lost, changes.Lost, to)
	for _, i := range left {
		changes.Lost = append(changes.Lost, listing.Entries[i].Path)
	}
	if src.Approved == string(hold.GetDigest()) {
		return nil, to, hold.GetDigest()
	}
	if exceeds(view, src, len(changes.Lost)) || src.IsForge() && len(listing.Entries) == 0 && len(changes.Lost) > 0 {
		state.Hold, changes.Gone = hold, nil
		if len(left) > 0 { // who leaves what depends on where all go: none does, so that what is asked stays what it is
			before := len(changes.Changed)
			changes.Changed = slices.DeleteFunc(changes.Changed, func(i int) bool {
				c := view.ClaimOf(src.Num, listing.Entries[i].Path)
				return c.Keys[0] != listing.Entries[i].Keys[0]
			})
			changes.Kept += before - len(changes.Changed)
			state.Kept = uint32(changes.Kept)
		}
		return nil, to, nil
	}
	return left, to, nil
}

// filesOf says where what is claimed under some paths is, which for a forge are numbers.
func filesOf(view *fsm.View, src *fsm.Source, paths []string) []string {
	files := make([]string, len(paths))
	for i, path := range paths {
		if files[i] = path; view.ClaimOf(src.Num, path) != nil {
			files[i] = oneline.Clip(view.ClaimOf(src.Num, path).File, 300)
		}
	}
	return files
}

// exceeds tells whether a source would lose more within 24 hours than it may unasked.
func exceeds(view *fsm.View, src *fsm.Source, losses int) bool {
	lost := src.Lost(view.Now())
	return losses > 0 && lost+losses > source.MayLose(view.ClaimsLen(src.Num)+lost)
}

// lost are the paths of what ends where some are gone, by what is claimed now: of these, and of what hangs on them.
func lost(view *fsm.View, src *fsm.Source, gone []string) (paths []string) {
	leaving := map[string]bool{}
	for _, path := range gone {
		leaving[path] = true
	}
	for _, path := range gone {
		claim := view.ClaimOf(src.Num, path)
		if claim == nil || view.Elsewhere(src, path) || slices.ContainsFunc(view.ClaimsOn(claim.Repo), func(o *fsm.Claim) bool { return o.Source == src.Num && !leaving[o.Path] }) {
			continue
		}
		paths = append(paths, path)
		view.Claims(src.Num, source.Under(path, ""), func(c *fsm.Claim) bool {
			is := source.IsUnder(c.Path, path)
			if is && !leaving[c.Path] {
				paths = append(paths, c.Path)
			}
			return is
		})
	}
	return paths
}

// holdOf is what a listing would take away: it names some of what is lost, and its digest is of what a person is asked about.
// to are those that leave their rows, and for what.
func holdOf(asked, lost, to []string) *command.SourceHold {
	h := sha256.New()
	for _, line := range slices.Concat(asked, to) {
		fmt.Fprintf(h, "%s\n", line)
	}
	for _, line := range to {
		path, _, _ := strings.Cut(line, " ")
		lost = append(slices.Clip(lost), path)
	}
	return &command.SourceHold{Digest: h.Sum(nil)[:20], Lost: uint32(max(len(lost), 1)), First: lost[:min(len(lost), mostShown)]}
}

// mostShown is how many flaws, and losses that are held, are told of.
const mostShown = 100

// kept are the paths of what is gone, whose entries under another path, or of whose address those that ask for it, were refused:
// they keep what they have.
func kept(view *fsm.View, src *fsm.Source, listing *source.Listing, changes source.Changes, list []refused) map[string]bool {
	if len(list) == 0 || src.IsForge() { // whose numbers tell what is another
		return nil
	}
	from, first := map[string]bool{}, map[string]bool{}
	for _, r := range list {
		i, _ := slices.BinarySearchFunc(listing.Entries, r.entry.Path, func(e source.Entry, path string) int { return strings.Compare(e.Path, path) })
		from[changes.From[i]], first[r.entry.Keys[0]] = true, true
	}
	paths := map[string]bool{}
	for _, path := range changes.Gone {
		c := view.ClaimOf(src.Num, path)
		if _, below := source.Above(path); c != nil && !below && (from[path] || first[c.Keys[0]]) {
			paths[path] = true
		}
	}
	return paths
}
