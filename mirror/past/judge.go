package past

import (
	"gitmirror/mirror/refs"
)

// judge sets Lost of each settled tip. What was judged before stays where its ref only
// grew and nothing was taken away: what led to its commits still does.
func (s *Step) judge(tips []Tip, f Facts) error {
	grew, takes := map[string]bool{}, s.took
	for _, c := range s.Changes {
		grew[c.Ref] = c.Kind == refs.Updated
		takes = takes || takesAway(c)
	}
	var gone, moved, rolled []*Tip
	for i := range tips {
		t := &tips[i]
		oid, shown := s.find(t.Name)
		_, changed := grew[t.Name]
		if changed {
			t.Forward = shown && grew[t.Name] && (t.Forward || t.Until.Equal(s.At.Now))
		}
		switch {
		case !t.Settled:
		case isTag(t.Name) && !shown:
			t.Lost = true
		case shown && (oid == t.OID || t.Forward): // its own ref has it
			t.Lost = false
		case isTag(t.Name) && !s.Past.rolling(t.Name, s.At):
			t.Lost = true
		case isTag(t.Name):
			if changed {
				rolled = append(rolled, t)
			}
		case !shown:
			gone = append(gone, t)
		case !takes && (!changed || grew[t.Name] && !t.Lost):
		default:
			moved = append(moved, t)
		}
	}
	s.tooManyMovedOn(tips)
	if err := s.judgeRolled(rolled, f); err != nil {
		return err
	}
	if err := s.judgeGone(gone, f); err != nil {
		return err
	}
	return s.judgeMoved(moved, f)
}

// tooManyMovedOn: tags that move on along their history are lost when there are many. Of
// each the oldest tip counts.
func (s *Step) tooManyMovedOn(tips []Tip) {
	var on []*Tip
	for i := range tips {
		t := &tips[i]
		if (i == 0 || tips[i-1].Name != t.Name) && t.Settled && isTag(t.Name) && t.Forward && !s.Past.rolling(t.Name, s.At) {
			on = append(on, t)
		}
	}
	for _, t := range on {
		t.Lost = len(on) > mostForward
	}
}

// judgeRolled: a tag that is meant to move does so within its history.
func (s *Step) judgeRolled(rolled []*Tip, f Facts) error {
	unrelated, err := f.Unrelated(s.pairs(rolled))
	if err != nil {
		return err
	}
	for i, t := range rolled {
		t.Lost = unrelated[i]
	}
	return nil
}

// pairs are where those were, and where their refs are now.
func (s *Step) pairs(tips []*Tip) [][2]string {
	pairs := make([][2]string, len(tips))
	for i, t := range tips {
		oid, _ := s.find(t.Name)
		pairs[i] = [2]string{t.OID, oid}
	}
	return pairs
}

// judgeGone: a branch that is gone is lost when no ref leads to its tip any more.
func (s *Step) judgeGone(gone []*Tip, f Facts) error {
	if len(gone) == 0 {
		return nil
	}
	var fresh, lost []string
	for _, t := range gone {
		if t.Lost && t.Until.Before(s.At.Now) {
			lost = append(lost, t.OID)
		} else {
			fresh = append(fresh, t.OID)
		}
	}
	reached, err := f.Reached(fresh, s.List, nil)
	if err != nil {
		return err
	}
	again, err := f.Reached(lost, s.List, s.Base.Refs)
	if err != nil {
		return err
	}
	for _, t := range gone {
		t.Lost = !reached[t.OID] && !again[t.OID]
	}
	return nil
}

// judgeMoved: a branch that moved is lost when its histories have nothing in common,
// or when a good part of it is in no ref any more.
func (s *Step) judgeMoved(moved []*Tip, f Facts) error {
	if len(moved) == 0 {
		return nil
	}
	unrelated, err := f.Unrelated(s.pairs(moved))
	if err != nil {
		return err
	}
	var related []*Tip
	var old, shown []string
	for i, t := range moved {
		if t.Lost = unrelated[i]; !t.Lost {
			related, old = append(related, t), append(old, t.OID)
		}
	}
	if len(related) == 0 {
		return nil
	}
	for _, r := range s.List {
		shown = append(shown, r.OID)
	}
	left, err := f.Left(old, shown)
	if err != nil {
		return err
	}
	much, err := areMuch(f, old, left)
	if err != nil {
		return err
	}
	for i, t := range related {
		t.Lost = much[i]
	}
	return nil
}

// areMuch tells of each of old whether that many commits are much of what it leads to.
func areMuch(f Facts, old []string, left []int) ([]bool, error) {
	much := make([]bool, len(old))
	var which []int
	var tips []string
	for i, n := range left {
		if n >= leftLeast {
			which, tips = append(which, i), append(tips, old[i])
		}
	}
	if len(tips) == 0 {
		return much, nil
	}
	totals, err := f.Left(tips, nil)
	if err != nil {
		return nil, err
	}
	for k, i := range which {
		much[i] = share(left[i], totals[k]) > lostShare
	}
	return much, nil
}

func takesAway(c refs.Change) bool { return c.Kind == refs.Deleted || c.Kind == refs.Forced }
