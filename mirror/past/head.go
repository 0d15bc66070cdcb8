package past

import (
	"slices"

	"gitmirror/mirror/refs"
)

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
