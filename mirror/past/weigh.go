package past

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"gitmirror/mirror/refs"
)

// What upstream may take away within Window before a person looks at it.
const (
	lostShare = 0.30 // of the settled refs, or of a branch's commits
	lostLeast = 3    // refs
	goneShare = 0.50 // of the settled names
	leftLeast = 20   // commits
	// mostForward is how many tags may move on along their history in a day and not
	// count: nightly, latest and stable do, and have not moved on two earlier days when
	// they are first seen.
	mostForward = 5
	moreThanIt  = 1e-9
)

// Reasons of a hold.
const (
	Empty       = "empty"        // nothing is left
	HeadRewrite = "head_rewrite" // the branch of HEAD is unrelated to what it was, or lost much of it
	MassDelete  = "mass_delete"  // settled refs are gone
	MassRewrite = "mass_rewrite" // settled refs were moved away from what they were
)

// Step is what upstream shows, beside what was published.
type Step struct {
	Base    *refs.Table // what was published
	Past    *Record     // of Base
	List    []refs.Ref  // what upstream shows, sorted
	Head    refs.Head
	Changes []refs.Change // from Base to List; a move is Updated only where it is a fast-forward
	At      refs.LogTime

	took        bool            // something was taken away beside what Changes has
	recent      []Tip           // Past's of the last day; set once, with the next
	wereSettled map[string]bool // names of those that are settled
}

// know prepares what is asked for again and again.
func (s *Step) know() {
	if s.wereSettled != nil {
		return
	}
	s.recent, s.wereSettled = s.Past.tips(s.At), map[string]bool{}
	for _, t := range s.recent {
		if t.Settled {
			s.wereSettled[t.Name] = true
		}
	}
}

// Facts are what git knows of the objects at hand. An object that is not here has no
// history.
type Facts interface {
	// Reached returns those of the tips that a ref of list leads to. Of tips that none of
	// without leads to, what is new since then tells: without may be nil.
	Reached(tips []string, list, without []refs.Ref) (map[string]bool, error)
	// Unrelated tells of each pair whether its commits have no history in common.
	Unrelated(pairs [][2]string) ([]bool, error)
	// Left counts for each of old the commits that it leads to and none of keep does.
	Left(old, keep []string) ([]int, error)
}

// Verdict is what upstream has taken away within Window, and whether that is too
// much.
type Verdict struct {
	Reason  string        // why it shall be held, empty where it may be followed
	Lost    []refs.Change // HEAD and its branches first, then those that moved, then those that are gone
	Settled int           // refs that count
	tips    []Tip         // of the last day, judged
	Heads   int           // how many of Lost, the first, are of HEAD and its branches
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n)/float64(of) - moreThanIt
}

// Weigh judges a step.
func (s *Step) Weigh(f Facts) (Verdict, error) {
	s.know()
	tips := s.allTips()
	v := Verdict{tips: tips, Settled: s.settledNames()}
	if err := s.judge(tips, f); err != nil {
		return v, err
	}
	heads, err := s.judgeHead(tips, f)
	if err != nil {
		return v, err
	}
	lost := map[string]refs.Change{}
	counted, gone := 0, 0
	// Of each name the oldest tip counts, where it was a day ago: what came and went
	// since had not settled.
	for _, t := range oldest(tips) {
		_, shown := s.find(t.Name)
		if !t.Settled || shown && !t.Lost {
			continue
		}
		lost[t.Name] = s.loss(t)
		if t.Lost {
			counted++
		}
		if !shown {
			gone++
		}
	}
	switch {
	case s.Base.PublicRefs() > 0 && len(s.List) == 0:
		v.Reason = Empty
		for _, r := range s.Base.Refs {
			if r.Public() {
				lost[r.Name] = refs.Change{Ref: r.Name, Old: r.OID, Kind: refs.Deleted}
			}
		}
	case len(heads) > 0:
		v.Reason = HeadRewrite
	case gone >= lostLeast && share(gone, v.Settled) > goneShare:
		v.Reason = MassDelete
	case counted > 0 && (counted == v.Settled || counted >= lostLeast && share(counted, v.Settled) > lostShare):
		v.Reason = MassRewrite
		if 2*gone > counted {
			v.Reason = MassDelete
		}
	}
	for _, h := range heads {
		lost[h.Ref] = h
	}
	v.Heads, v.Lost = len(heads), inOrder(lost, heads)
	return v, nil
}

// inOrder puts what a person should see first first.
func inOrder(lost map[string]refs.Change, heads []refs.Change) []refs.Change {
	rank := func(c refs.Change) int {
		switch {
		case slices.Contains(heads, c):
			return 0
		case c.New != "":
			return 1
		}
		return 2
	}
	return slices.SortedFunc(maps.Values(lost), func(a, b refs.Change) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Ref, b.Ref))
	})
}

// allTips are the tips of the last day and those that this step leaves, by name,
// the oldest first.
func (s *Step) allTips() []Tip {
	tips := slices.Clone(s.recent)
	where := map[[2]string]int{}
	for i, t := range tips {
		where[[2]string{t.Name, t.OID}] = i
	}
	add := func(t Tip) {
		t.Until = s.At.Now
		key := [2]string{t.Name, t.OID}
		if i, have := where[key]; have {
			tips[i].Until, tips[i].Settled, tips[i].Head = t.Until, tips[i].Settled || t.Settled, tips[i].Head || t.Head
			return
		}
		where[key] = len(tips)
		tips = append(tips, t)
	}
	headName, headOID := headOf(s.Base.Head, s.Base)
	for _, c := range s.Changes {
		if c.Old == "" {
			continue
		}
		add(Tip{Name: c.Ref, OID: c.Old, Settled: s.settled(c.Ref), Head: c.Ref == headName || c.Ref == s.Head.Target()})
	}
	if name, _ := headOf(s.Head, &refs.Table{Refs: s.List}); headOID != "" && name != headName {
		add(Tip{Name: headName, OID: headOID, Settled: s.settled(headName), Head: true})
	} else if headName == "HEAD" && string(s.Head) != headOID && headOID != "" {
		add(Tip{Name: "HEAD", OID: headOID, Head: true})
	}
	tips = slices.DeleteFunc(tips, func(t Tip) bool { return !t.Settled && !t.Head })
	slices.SortStableFunc(tips, func(a, b Tip) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Until.Compare(b.Until))
	})
	return tips
}

// headOf names the branch HEAD points to, "HEAD" where it is detached, and its tip.
func headOf(h refs.Head, t *refs.Table) (name, oid string) {
	if target := h.Target(); target != "" {
		r, _ := t.Find(target)
		return target, r.OID
	}
	return "HEAD", string(h)
}

// settled tells of a ref of Base.
func (s *Step) settled(name string) bool { return name != "HEAD" && s.Past.settled(name, s.At) }

// settledNames counts the settled refs that are published, and those that were
// within the last day.
func (s *Step) settledNames() int {
	n := len(s.wereSettled)
	for _, r := range s.Base.Refs {
		if r.Public() && !s.wereSettled[r.Name] && s.settled(r.Name) {
			n++
		}
	}
	return n
}

func (s *Step) find(name string) (oid string, shown bool) {
	r, ok := find(s.List, name, func(r refs.Ref) string { return r.Name })
	return r.OID, ok
}

func (s *Step) loss(t Tip) refs.Change {
	if oid, shown := s.find(t.Name); shown {
		return refs.Change{Ref: t.Name, Old: t.OID, New: oid, Kind: refs.Forced}
	}
	return refs.Change{Ref: t.Name, Old: t.OID, Kind: refs.Deleted}
}

// oldest picks the first tip of each name of a list by name and time.
func oldest(tips []Tip) []Tip {
	return slices.CompactFunc(slices.Clone(tips), func(a, b Tip) bool { return a.Name == b.Name })
}

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

// judgeHead returns what became of branches that HEAD pointed to within the last day,
// where that is not to be followed: its own tip is looked at where its name is still
// shown, else HEAD's. HEAD itself may point to another branch that has most of what it
// showed.
func (s *Step) judgeHead(tips []Tip, f Facts) (heads []refs.Change, err error) {
	if len(s.List) == 0 {
		return nil, nil
	}
	headName, now := headOf(s.Head, &refs.Table{Refs: s.List})
	kinds := map[string]refs.Kind{}
	for _, c := range s.Changes {
		kinds[c.Ref] = c.Kind
	}
	steady := func(name string) bool { k, changed := kinds[name]; return !changed || k == refs.Updated }
	takes := s.took || slices.ContainsFunc(s.Changes, takesAway) // and so may take what a tip was reached by
	for _, t := range tips {
		oid, shown := s.find(t.Name)
		gone := !shown
		if gone {
			oid = now
		}
		switch {
		case !t.Head, oid == t.OID, shown && steady(t.Name), len(heads) > 0 && heads[len(heads)-1].Ref == t.Name:
			continue // what only grew takes nothing away
		case gone && !takes && t.Until.Before(s.At.Now) && headName != "HEAD" && s.Head == s.Base.Head && steady(headName):
			continue // it was gone before, and was judged then
		case oid == "":
			reached, err := f.Reached([]string{t.OID}, s.List, nil)
			if err != nil {
				return nil, err
			}
			if reached[t.OID] {
				continue
			}
			heads = append(heads, refs.Change{Ref: t.Name, Old: t.OID, Kind: refs.Deleted})
			continue
		}
		unrelated, err := f.Unrelated([][2]string{{t.OID, oid}})
		if err != nil {
			return nil, err
		}
		much := unrelated[0]
		if !much {
			if much, err = leaves(f, t.OID, oid); err != nil {
				return nil, err
			}
		}
		if much {
			// Where the name is gone, where HEAD leads now is part of what is to be approved.
			heads = append(heads, refs.Change{Ref: t.Name, Old: t.OID, New: oid, Kind: refs.Forced})
		}
	}
	for _, t := range tips {
		told := func(h refs.Change) bool { return h.Old == t.OID && h.New == now }
		if !t.Head || now == "" || now == t.OID || s.Head == s.Base.Head || slices.ContainsFunc(heads, told) {
			continue
		}
		unrelated, err := f.Unrelated([][2]string{{t.OID, now}})
		if err != nil {
			return nil, err
		}
		much := unrelated[0]
		if !much {
			if much, err = leaves(f, t.OID, now); err != nil {
				return nil, err
			}
		}
		if much {
			return append(heads, refs.Change{Ref: "HEAD", Old: t.OID, New: now, Kind: refs.Forced}), nil
		}
	}
	return heads, nil
}

// leaves tells whether much of what old leads to is not in now.
func leaves(f Facts, old, now string) (bool, error) {
	left, err := f.Left([]string{old}, []string{now})
	if err != nil {
		return false, err
	}
	much, err := areMuch(f, []string{old}, left)
	if err != nil {
		return false, err
	}
	return much[0], nil
}

// LossDigest names a set of losses, whatever their order.
func LossDigest(lost []refs.Change) refs.Digest {
	lines := make([]string, len(lost))
	for i, c := range lost {
		lines[i] = c.Old + " " + orDash(c.New) + " " + c.Ref + "\n"
	}
	slices.Sort(lines)
	return digestOf([]byte(strings.Join(lines, "")))
}
