package fsm

import (
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// A row may be given another address, where it has what the one before had until something of the new one is
// published. Where that is held, or fails, nobody who asks for the new address is to get what is there.

// movesTo notes that a row will follow another address. next must come from edit, and have it already.
func (t *tables) movesTo(row, next *Repo) {
	was, is := row.upstreamKeys()[0], next.upstreamKeys()[0]
	switch {
	case was == is || row.Generation == 0 || t.format < formatCourse:
	case row.came == "":
		next.came = was
	case row.came == is: // and back
		next.came = ""
	}
}

// Estranged is the key of the address that what a row serves came from, where that it has now is held, or fails,
// and never showed anything that was published; empty for any other row.
func (r *Repo) Estranged() string {
	if r.Hold == nil && r.Error == nil {
		return ""
	}
	return r.came
}

// estranged refuses who asks for the new address.
func estranged(id string, row *Repo) *command.Item {
	what := "held"
	if row.Hold == nil {
		what = "failing"
	}
	item := refuseItem(id, refusal.ConflictURL, "%s is to follow that address, and has still what %s had: it is %s", row.Name, row.Estranged(), what)
	item.Existing = row.Name
	return item
}

// reviewed has the names of a row be right after it was held, or failed, or is followed again.
func (s *State) reviewed(e entry, row *Repo) {
	if now := s.tables.repo(row.ID); now.Sourced != nil && row.Estranged() != now.Estranged() {
		s.settle(e, row.ID)
	}
}
