package past

import (
	"slices"
	"strings"
	"time"

	"gitmirror/mirror/refs"
)

// movesKept is how many days a tag's moves are remembered of: two earlier ones make
// it a rolling tag, and today is the third.
const movesKept = 3

// Next is the record of the generation that the step leads to, but for what is kept
// (see Keep). What is lost of refs that forgotten names was approved by a person: it
// counts no more.
func (s *Step) Next(v Verdict, forgotten func(ref string) bool) *Record {
	s.know()
	r := &Record{}
	if s.Base.Generation == 0 {
		return r
	}
	if s.Past != nil {
		r.Dropped = s.Past.Dropped
	}
	r.Tips = thin(s.remembered(v, forgotten))
	for i := range r.Tips {
		if r.Tips[i].Until.After(s.At.Now) {
			r.Tips[i].Until = s.At.Now // the clock was wrong then
		}
	}
	r.Tips = slices.DeleteFunc(r.Tips, s.takenBack(r.Tips))
	r.Former = s.former()
	r.Young = s.young()
	r.Moved = s.moved()
	return r
}

// remembered are the tips of the verdict but those of the refs of which a person has taken
// the losses: where they are of HEAD, what it showed before counts no more. Where HEAD shows
// nothing, it counts for what the person has seen in the place of what it showed: what
// HEAD shows later, they have not seen.
func (s *Step) remembered(v Verdict, forgotten func(ref string) bool) []Tip {
	gone, heads := map[string]bool{}, false
	var instead []Tip
	showed := func(oid string) bool {
		return slices.ContainsFunc(v.tips, func(t Tip) bool { return t.Name == head && t.OID == oid })
	}
	_, shows := s.find(head)
	for i, c := range v.Lost {
		if !forgotten(c.Ref) {
			continue
		}
		gone[c.Ref] = true
		heads = heads || i < v.Heads
		if c.Ref == s.Head.Target() {
			gone[head] = true
		}
		if heads && !shows && c.New != "" && (i < v.Heads || showed(c.Old)) {
			instead = append(instead, Tip{Name: head, OID: c.New, Until: s.At.Now, Head: true})
		}
	}
	tips := slices.Clone(v.tips)
	if !shows {
		tips = append(s.lastShown(), tips...)
	}
	tips = slices.DeleteFunc(tips, func(t Tip) bool { return gone[t.Name] || heads && t.Head })
	return append(instead, tips...) // "HEAD" is before all names
}

// takenBack tells the tips of refs that are where they were: they, and where they were
// meanwhile, count no more.
func (s *Step) takenBack(tips []Tip) func(Tip) bool {
	back := s.back(tips)
	return func(t Tip) bool {
		b, is := back[t.Name]
		return is && !t.Until.Before(b.Until)
	}
}

// back is by name the first of the tips where its ref is again.
func (s *Step) back(tips []Tip) map[string]Tip {
	back := map[string]Tip{}
	for _, t := range tips {
		oid, shown := s.find(t.Name)
		if _, known := back[t.Name]; shown && oid == t.OID && !known {
			back[t.Name] = t
		}
	}
	return back
}

// former are the settled refs that were there within the time that it takes to settle.
func (s *Step) former() (list []Young) {
	if s.Past != nil {
		for _, y := range s.Past.Former {
			if _, shown := s.find(y.Name); !shown && y.isYoung(s.At) {
				list = append(list, y)
			}
		}
	}
	for _, c := range s.Changes {
		if c.Kind == refs.Deleted && s.settled(c.Ref) {
			list = append(list, Young{c.Ref, s.At.Now})
		}
	}
	slices.SortFunc(list, func(a, b Young) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b Young) bool { return a.Name == b.Name })
}

// thin leaves out the tips of a ref that lie close to an earlier one: the oldest of the
// last day is what counts, and the others are there to be the oldest in their turn.
func thin(tips []Tip) []Tip {
	var out []Tip
	for _, t := range tips {
		if n := len(out); n > 0 && out[n-1].Name == t.Name && t.Until.Sub(out[n-1].Until) < spacing && out[n-1].Head == t.Head {
			continue
		}
		out = append(out, t)
	}
	return out
}

func (s *Step) young() (list []Young) {
	created := map[string]bool{}
	for _, c := range s.Changes {
		created[c.Ref] = c.Kind == refs.Created
	}
	for _, ref := range s.List {
		var y Young
		known := false
		if s.Past != nil {
			y, known = find(s.Past.Young, ref.Name, func(y Young) string { return y.Name })
		}
		switch {
		case created[ref.Name] && !s.wereSettled[ref.Name] && !s.wasFormer(ref.Name):
			list = append(list, Young{ref.Name, s.At.Now})
		case known && y.isYoung(s.At):
			if y.Seen.After(s.At.Now) {
				y.Seen = s.At.Now
			}
			list = append(list, y)
		}
	}
	return list
}

func (s *Step) wasFormer(name string) bool {
	if s.Past == nil {
		return false
	}
	y, found := find(s.Past.Former, name, func(y Young) string { return y.Name })
	return found && y.isYoung(s.At)
}

// moved counts no moves that were taken back within the day.
func (s *Step) moved() (list []Moved) {
	back := s.back(s.recent)
	if s.Past != nil {
		for _, m := range s.Past.Moved {
			if t, is := back[m.Name]; is {
				m.Days = slices.DeleteFunc(slices.Clone(m.Days), func(d int64) bool { return d >= day(t.Until) })
			}
			if _, shown := s.find(m.Name); shown && len(m.Days) > 0 {
				list = append(list, m)
			}
		}
	}
	for _, c := range s.Changes {
		if _, is := back[c.Ref]; !isTag(c.Ref) || c.Old == "" || c.New == "" || is {
			continue
		}
		i, known := slices.BinarySearchFunc(list, c.Ref, func(m Moved, n string) int { return strings.Compare(m.Name, n) })
		if !known {
			list = slices.Insert(list, i, Moved{Name: c.Ref})
		}
		days := list[i].Days
		if today := day(s.At.Now); len(days) == 0 || days[len(days)-1] != today {
			days = append(slices.Clone(days), today)
		}
		list[i].Days = days[max(0, len(days)-movesKept):]
	}
	return list
}

// Only is the verdict with no other losses than those of the changes: a person's own
// step takes back what upstream did, and must not be counted as one of upstream's.
func (v Verdict) Only(changes []refs.Change) Verdict {
	v.Heads, v.Lost = 0, slices.Clone(changes)
	return v
}

// Taken are those of the changes that cost a settled ref what was in it.
func (v Verdict) Taken(changes []refs.Change) []refs.Change {
	lost := map[string]bool{}
	for _, t := range oldest(v.tips) {
		lost[t.Name] = t.Settled && t.Lost
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c refs.Change) bool { return !lost[c.Ref] || c.Old == "" })
}

// Lost lists what has been taken away from settled refs within the last day, as table,
// to which the record belongs, shows it.
func (r *Record) Lost(table *refs.Table, at refs.LogTime) []refs.Change {
	s := &Step{Base: table, Past: r, List: slices.DeleteFunc(slices.Clone(table.Refs), func(r refs.Ref) bool { return !r.Public() }), At: at}
	var lost []refs.Change
	for _, t := range oldest(r.tips(at)) {
		if t.Settled && t.Lost {
			lost = append(lost, s.loss(t))
		}
	}
	return lost
}

// LostUntil is until when Lost says the same of the same table, as long as dates hold or
// do not as they do at at; zero for good.
func (r *Record) LostUntil(at refs.LogTime) (until time.Time) {
	if !at.DatesHold {
		return until
	}
	for _, t := range r.tips(at) {
		if end := t.Until.Add(Window + spacing); until.IsZero() || end.Before(until) {
			until = end
		}
	}
	return until
}
