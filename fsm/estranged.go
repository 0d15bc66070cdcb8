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
	was, is := row.upstreamKeys()[0], next.upstreamKeys()[0]
	switch {
	case was == is || row.Generation == 0 || t.format < formatCourse:
	case row.came == is: // and back
		next.came, next.cameAt = "", 0
	default:
		next.came, next.cameAt = cmp.Or(row.came, was), e.index
	}
}

// Estranged is the key of the address that what a row serves came from, where that it has now is another that no
// check has proved; empty for any other row.
func (r *Repo) Estranged() string { return strings.TrimSuffix(r.came, strings.ToLower(r.yielded())) }

// proved tells whether a check that had heard so much, and left the row held or not, shows that what it serves is what
// its address has.
func (r *Repo) proved(heard uint64, held bool) bool {
	return r.came != "" && r.cameAt <= heard && !held
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

// asks tells whether a source has a row follow an address already: what only gets another path there is no newcomer.
func (t *tables) asks(src *Source, row *Repo, key string) bool {
	return slices.ContainsFunc(t.claims.on(row.ID), func(c *Claim) bool { return c.Source == src.Num && c.Keys[0] == key })
}

// reviewed has the names of a row be right after it was held, or failed, or is followed again.
func (s *State) reviewed(e entry, row *Repo) {
	if now := s.tables.repo(row.ID); now.Sourced != nil && row.Estranged() != now.Estranged() {
		s.settle(e, row.ID)
	}
}
