package past

import (
	"slices"
	"strings"

	"gitmirror/mirror/refs"
)

// movesKept is how many days a tag's moves are remembered of: two earlier ones make
// it a rolling tag, and today is the third.
const movesKept = 3

// Next is the record of the generation that the step leads to, but for what is kept
// (see Keep). Losses that a person has approved are forgotten: they count no more.
func (s *Step) Next(v Verdict, approved bool) *Record {
	s.know()
	r := &Record{}
	if s.Base.Generation == 0 {
		return r
	}
	if s.Past != nil {
		r.Dropped = s.Past.Dropped
	}
	forgotten := map[string]bool{}
	if approved {
		for _, c := range v.Lost {
			forgotten[c.Ref] = true
		}
	}
	r.Tips = thin(slices.DeleteFunc(slices.Clone(v.tips), func(t Tip) bool {
		return forgotten[t.Name] || approved && v.head && t.Head
	}))
	for i := range r.Tips {
		if r.Tips[i].Until.After(s.At.Now) {
			r.Tips[i].Until = s.At.Now // the clock was wrong then
		}
	}
	r.Young = s.young()
	r.Moved = s.moved()
	return r
}

// thin leaves out the tips of a ref that lie close to an earlier one: those that
// were lost stay.
func thin(tips []Tip) []Tip {
	var out []Tip
	for _, t := range tips {
		if n := len(out); n > 0 && out[n-1].Name == t.Name && !t.Lost && !out[n-1].Lost && out[n-1].Head == t.Head && t.Until.Sub(out[n-1].Until) < spacing {
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
		case created[ref.Name] && !s.wereSettled[ref.Name]:
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

func (s *Step) moved() (list []Moved) {
	if s.Past != nil {
		for _, m := range s.Past.Moved {
			if _, shown := s.find(m.Name); shown {
				list = append(list, m)
			}
		}
	}
	for _, c := range s.Changes {
		if !isTag(c.Ref) || c.Old == "" || c.New == "" {
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
	v.Lost = slices.Clone(changes)
	return v
}
