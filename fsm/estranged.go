package fsm

import (
	"cmp"
	"slices"
	"strings"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// A row may be given another address, where it has what the one before had until a check has shown that the new
// one has the same history, or something of it is published. Until then nobody who asks for the new address is given it.

// movesTo notes that a row will follow another address. next must come from edit, and have it already.
func (t *tables) movesTo(e entry, row, next *Repo) {
	was, is := row.serves(), next.upstreamKeys()[0]
	switch {
	case was == is || row.Generation == 0 || t.format < formatCourse:
	case row.came == is: // and back
		next.came, next.cameAt = "", 0
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
	return r.upstreamKeys()[0]
}

// Estranged is the key of the address that what a row serves came from, where that it has now is another that no
// check has proved; empty for any other row.
func (r *Repo) Estranged() string { return strings.TrimSuffix(r.came, strings.ToLower(r.yielded())) }

// proved tells whether a check that had heard so much, and left the row held or not, shows that what it serves is what
// its address has.
func (r *Repo) proved(heard uint64, held bool) bool {
	return r.came != "" && r.cameAt > 0 && r.cameAt <= heard && !held // of what has yielded nothing is heard
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
	key := c.GetRepo().GetUrlKeys()[0]
	if row := t.liveRepo(gone.Repo); !slices.Contains(gone.Keys, key) && (row == nil || row.came != key) {
		return nil
	}
	return gone
}

// reviewed has the names of a row be right after it was held, or failed, or is followed again.
func (s *State) reviewed(e entry, row *Repo) {
	if now := s.tables.repo(row.ID); now.Sourced != nil && row.Estranged() != now.Estranged() {
		s.settle(e, row.ID)
	}
}
