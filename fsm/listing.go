package fsm

import (
	"cmp"
	"fmt"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// applyListing brings claims to what a source lists. What comes is there before anything is taken
// away: an upstream that only has another path keeps its row.
func (s *State) applyListing(e entry, c *command.Listing) *command.Outcome {
	t := &s.tables
	if n := len(c.GetPut()) + len(c.GetTake()); n > MaxItems {
		return refuse(refusal.Invalid, "%d entries, more than %d", n, MaxItems)
	}
	src := t.sources.byID(c.GetSource())
	if src == nil || src.Removing {
		return refuse(refusal.NotFound, "no source %q", c.GetSource())
	}
	if refused := t.fenced(src, c); refused != nil {
		return refused
	}
	if err := cmp.Or(checkListed(c.GetDone()), checkUnder(c), between("trouble", c.GetCourse().GetTrouble(), 0, maxText)); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	out := &command.Outcome{}
	for _, entry := range c.GetPut() {
		out.Items = append(out.Items, s.putEntry(e, src, entry))
	}
	left, refused := s.take(e, src, c)
	if refused != nil {
		out.Code, out.Message = refused.Code, refused.Message
		return out
	}
	if out.Left = left; left > 0 {
		return out // it is to come once more, before anything else of it
	}
	if c.GetCourse() != nil {
		t.runs(e, t.sources.byNum(src.Num), c)
	}
	if c.GetSubmodules().GetDone() {
		t.readUnder(e, src, c.GetSubmodules())
	}
	if c.GetDone() != nil {
		s.listed(e, c.GetDone(), t.sources.byNum(src.Num), c.GetApproved())
	}
	return out
}

// fenced refuses who does not own what is read: the index, or the row whose submodules are listed.
func (t *tables) fenced(src *Source, c *command.Listing) *command.Outcome {
	if src.IsForge() && c.GetSubmodules() == nil {
		if n := t.nodes.byID[c.GetNode()]; n == nil || n.Num != src.Owner || c.GetEpoch() != src.Epoch {
			return refuse(refusal.StaleEpoch, "%s is not for this node to list, in epoch %d", src.Name, c.GetEpoch())
		}
		return nil
	}
	id := src.Index
	if of := c.GetSubmodules(); of != nil {
		if claim := t.claims.get(src.Num, of.GetOf()); claim != nil && claim.Submodules {
			id = claim.Repo
		} else {
			return refuse(refusal.NotFound, "%s does not want submodules of %q", src.Name, of.GetOf())
		}
	}
	row := t.liveRepo(id)
	if row == nil {
		return refuse(refusal.NotFound, "what %s reads is gone", src.Name)
	}
	if n := t.nodes.byID[c.GetNode()]; n == nil || n.Num != row.Owner || c.GetEpoch() != row.Epoch {
		return refuse(refusal.StaleEpoch, "%s is not for this node to list, in epoch %d", src.Name, c.GetEpoch())
	}
	return nil
}

func checkListed(l *command.Listed) error {
	if len(l.GetFlaws()) > maxFlawsOf {
		return fmt.Errorf("%d flaws, more than %d", len(l.GetFlaws()), maxFlawsOf)
	}
	for _, f := range l.GetFlaws() {
		if err := firstError(between("file", f.GetFile(), 0, maxText), between("flaw", f.GetWhy(), 0, maxText), between("hint", f.GetTry(), 0, maxText)); err != nil {
			return err
		}
	}
	return firstError(between("error", l.GetError(), 0, maxText), between("ref", l.GetRef(), 0, maxText), between("path", l.GetPath(), 0, maxText), checkHold(l.GetHold()))
}

func checkHold(h *command.SourceHold) error {
	if len(h.GetFirst()) > maxFlawsOf {
		return fmt.Errorf("%d losses, more than %d", len(h.GetFirst()), maxFlawsOf)
	}
	for _, path := range h.GetFirst() {
		if err := between("path", path, 0, maxName); err != nil {
			return err
		}
	}
	return between("digest", string(h.GetDigest()), 0, maxWord)
}

// putEntry takes one up, as it is asked for.
func (s *State) putEntry(e entry, src *Source, c *command.Entry) *command.Item {
	if c.GetPath() == "" {
		return &command.Item{Code: string(refusal.Invalid), Message: "the path is missing"}
	}
	if was := s.tables.claims.get(src.Num, c.GetPath()); was != nil && string(was.Hash[:]) == string(c.GetHash()) && !s.tables.followsElsewhere(src, was) {
		return &command.Item{Repo: was.Repo, Path: c.GetPath()}
	}
	refused := s.tables.roomUnder(src, c)
	var row *Repo
	if refused == nil {
		row, refused = s.claimed(e, src, c)
	}
	if refused != nil {
		refused.Path = c.GetPath()
		return refused
	}
	return &command.Item{Repo: row.ID, Path: c.GetPath()}
}

// take ends claims, unless more would go than may go unasked. What hangs on them goes with them, before them: where
// that is too much for one entry, left is how many of them stay until the next.
func (s *State) take(e entry, src *Source, c *command.Listing) (left uint32, refused *command.Outcome) {
	t := &s.tables
	var gone []*Claim
	leaving := map[string]bool{}
	for _, path := range c.GetTake() {
		if claim := t.claims.get(src.Num, path); claim != nil && path != "" && !leaving[path] {
			leaving[path] = true
			gone = append(gone, claim)
		}
	}
	below, stay, later := t.below(src.Num, gone, leaving)
	lost, losing := later, 0 // by all of it; by what goes now
	for _, claim := range append(below, gone...) {
		if t.goesOn(claim, leaving) {
			continue
		}
		if lost++; !stay[claim.Path] {
			losing++
		}
	}
	already := src.Lost(e.at)
	approved := t.approved(src, c)
	if had := t.claimed(src) + already; lost > 0 && !approved && already+lost > source.MayLose(had) {
		return 0, refuse(refusal.SourceHeld, "%d claims of %d would have gone within 24 hours", already+lost, had)
	}
	for _, claim := range append(below, gone...) {
		if stay[claim.Path] {
			left++
			continue
		}
		claim = t.claims.get(src.Num, claim.Path) // it may have inherited
		s.ends(e, claim)
	}
	if losing > 0 && !approved {
		next := *t.sources.byNum(src.Num)
		next.loses(e.at, losing)
		t.putSource(e, &next)
	}
	return left, nil
}

// listed notes how a listing went.
func (s *State) listed(e entry, l *command.Listed, src *Source, approved []byte) {
	next := *src
	if l.GetError() != "" {
		next.endCourse()
		if next.Error == "" || next.Error != l.GetError() && s.tables.format < formatCourse {
			next.ErrorAt = e.at // it lasts since the first that failed, whatever was said since
		}
		next.Error = l.GetError()
		if src.IsForge() {
			next.Failed, next.FailedAt = l, e.at
		}
		s.tables.putSource(e, &next)
		return
	}
	next.Error, next.ErrorAt = "", fromMS(0)
	next.Failed, next.FailedAt = nil, fromMS(0)
	next.endCourse()
	was := next.Hold
	if next.Hold = l.GetHold(); next.Hold == nil {
		next.HoldAt, next.Approved = fromMS(0), ""
	} else if was == nil || string(was.GetDigest()) != string(next.Hold.GetDigest()) {
		next.HoldAt, next.Approved = e.at, ""
		s.tables.recordSource(e, EventSourceHeld, src, fmt.Sprintf("%d would go", next.Hold.GetLost()))
	}
	if next.Listed, next.ListedAt = l, e.at; next.Hold == nil && l.GetKept() == 0 {
		next.Settled = e.index
	}
	if l.GetLeft() > 0 {
		next.loses(e.at, int(l.GetLeft()))
	}
	s.tables.putSource(e, &next)
	if l.GetAdded()+l.GetChanged()+l.GetGone() > 0 {
		s.tables.recordSource(e, EventSourceListed, src, fmt.Sprintf("%d added, %d changed, %d gone", l.GetAdded(), l.GetChanged(), l.GetGone()))
	}
}

// inherit has another path of the same row, in the same source, be as old as one that is gone: a source that
// calls it otherwise wants it for no shorter time.
func (t *tables) inherit(gone *Claim) {
	for _, c := range t.claims.on(gone.Repo) {
		if c.Source == gone.Source {
			if c.Since > gone.Since {
				next := c.edit()
				next.Since = gone.Since
				t.claims.put(next)
			}
			return
		}
	}
}
