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
	if _, shows := s.find(head); shows {
		tips = append(s.lastShown(), tips...)
	}
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
	for _, c := range s.Changes {
		if c.Old == "" {
			continue
		}
		add(Tip{Name: c.Ref, OID: c.Old, Settled: s.settled(c.Ref), Head: c.Ref == s.Base.Head.Target() || c.Ref == s.Head.Target()})
	}
	now, _ := s.find(head)
	if was := s.Base.HeadOID(); was != "" && was != now {
		add(Tip{Name: head, OID: was, Head: true})
	}
	tips = slices.DeleteFunc(tips, func(t Tip) bool { return !t.Settled && !t.Head })
	slices.SortStableFunc(tips, func(a, b Tip) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Until.Compare(b.Until))
	})
	return tips
}

// lastShown is what HEAD showed last where it has shown nothing since, for longer than others
// count: what it shows next is weighed against that.
func (s *Step) lastShown() []Tip {
	if s.Past == nil || s.Base.HeadOID() != "" || len(s.recent) > 0 && s.recent[0].Name == head {
		return nil
	}
	for i := len(s.Past.Tips) - 1; i >= 0; i-- {
		if t := s.Past.Tips[i]; t.Name == head {
			return []Tip{t}
		}
	}
	return nil
}

// head is what HEAD shows, as a ref of that name: whatever branch it points to.
const head = "HEAD"

// settled tells of a ref of Base.
func (s *Step) settled(name string) bool { return name != head && s.Past.settled(name, s.At) }

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
	if name == head {
		oid = (&refs.Table{Head: s.Head, Refs: s.List}).HeadOID()
		return oid, oid != ""
	}
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

// LossDigest names a set of losses, whatever their order.
func LossDigest(lost []refs.Change) refs.Digest {
	lines := make([]string, len(lost))
	for i, c := range lost {
		lines[i] = c.Old + " " + orDash(c.New) + " " + c.Ref + "\n"
	}
	slices.Sort(lines)
	return digestOf([]byte(strings.Join(lines, "")))
}
