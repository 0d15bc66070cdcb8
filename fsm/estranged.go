package fsm

import (
	"cmp"
	"slices"
	"strings"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// A row may be given another address, where it has what the one before had until a check has shown that the new
// one has the same history, or something of it is published. Until then nobody who asks for the new address is given it.

// movesTo notes that a row has other addresses: that it follows another, or that it has no more the one that what it serves
// came from. next must come from edit, and have them already.
func (t *tables) movesTo(e entry, row, next *Repo) {
	if t.format < formatCourse {
		return
	}
	was, is := row.serves(), next.upstreamKeys()[0]
	if row.upstreamKeys()[0] != is {
		row.leavesAddress(next, t.claims.on(row.ID))
	}
	if next.Fallback != nil && !slices.Contains(next.URLs()[1:], next.Fallback.URL) {
		next.Fallback = nil
	}
	if next.Moved != nil && !slices.Contains(next.URLs(), next.Moved.From) {
		next.Moved = nil
	}
	stays := row.upstreamKeys()[0] == is && (row.Fallback == nil || next.Fallback != nil)
	switch {
	case stays || was == is || row.Generation == 0:
	case row.came == is: // and back
		next.came, next.cameAt, next.Fallback = "", 0, nil
	default:
		next.came, next.cameAt = cmp.Or(row.came, was), e.index
	}
}

// serves is the key of the address that what a row serves came from, but for what was the case before.
func (r *Repo) serves() string {
	if r.Fallback != nil {
		if i := slices.Index(r.URLs(), r.Fallback.URL); i >= 0 {
			return r.upstreamKeys()[i]
		}
	}
	return strings.TrimSuffix(r.upstreamKeys()[0], strings.ToLower(r.yielded()))
}

// Origin is the key of the address that what a row serves came from; of one that serves nothing yet, of its first.
func (r *Repo) Origin() string { return cmp.Or(r.Estranged(), r.serves()) }

// Estranged is the key of the address that what a row serves came from, where that it has now is another that no
// check has proved; empty for any other row.
func (r *Repo) Estranged() string { return strings.TrimSuffix(r.came, strings.ToLower(r.yielded())) }

// proved tells whether a check that had heard so much, and left the row held or not, shows that what it serves is what
// its address has.
func (r *Repo) proved(heard uint64, held bool) bool {
	return r.cameAt > 0 && r.cameAt <= heard && !held // of what has yielded nothing is heard
}

// estranged refuses who asks for the new address.
func estranged(id string, row *Repo) *command.Item {
	what := "it was not looked at since"
	switch {
	case row.Hold != nil:
		what = "it is held"
	case row.Error != nil:
		what = "it is failing"
	case row.Paused:
		what = "it is paused"
	}
	item := refuseItem(id, refusal.ConflictURL, "%s is to follow that address, and has still what %s had: %s", row.Name, row.Estranged(), what)
	item.Existing = row.Name
	return item
}

// renames is the claim that is gone from an index, which an entry says that it is under another path; nil for none.
func (t *tables) renames(src *Source, c *command.Entry) *Claim {
	if src.IsForge() || c.GetFrom() == "" || c.GetFrom() == c.GetPath() || t.format < formatCourse {
		return nil
	}
	gone := t.claims.get(src.Num, c.GetFrom())
	if gone == nil {
		return nil
	}
	row := t.liveRepo(gone.Repo)
	if !slices.ContainsFunc(c.GetRepo().GetUrlKeys(), func(key string) bool { return slices.Contains(gone.Keys, key) || row != nil && row.Estranged() == key }) {
		return nil
	}
	return gone
}

// movesOn ends what is gone of an index as soon as it is there under another path, so that nobody sees both, however the
// listing ends; but for what submodules hang on, which go with it later.
func (t *tables) movesOn(gone, claim *Claim) {
	if gone == nil || gone.Repo != claim.Repo {
		return
	}
	hangs := false
	t.claims.of(gone.Source, source.Under(gone.Path, ""), func(c *Claim) bool {
		hangs = source.IsUnder(c.Path, gone.Path)
		return false
	})
	if hangs {
		t.anew(gone) // it may be listed as it was, before it goes
		return
	}
	claim.Since = min(claim.Since, gone.Since)
	t.claims.drop(gone)
}

// reviewed has the names of a row be right after it was held, or failed, or is followed again.
func (s *State) reviewed(e entry, row *Repo) {
	if now := s.tables.repo(row.ID); now.Sourced != nil && row.Estranged() != now.Estranged() {
		s.settle(e, row.ID)
	}
}
