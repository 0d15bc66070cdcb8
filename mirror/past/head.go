package past

import (
	"slices"

	"gitmirror/mirror/refs"
)

// judgeHead returns what became of what HEAD showed within the last day, and of branches
// that it pointed to, where that is not to be followed. HEAD itself is looked at as a ref
// of its own, and may point to another branch that has most of what it showed. A branch
// that it pointed to is looked at where its name is still shown, else HEAD is.
func (s *Step) judgeHead(tips []Tip, f Facts) (heads []refs.Change, err error) {
	if len(s.List) == 0 {
		return nil, nil
	}
	now, _ := s.find(head)
	kinds := map[string]refs.Kind{}
	for _, c := range s.Changes {
		kinds[c.Ref] = c.Kind
	}
	if now != s.Base.HeadOID() {
		kinds[head] = refs.Forced
		if s.Head == s.Base.Head && kinds[s.Head.Target()] == refs.Updated {
			kinds[head] = refs.Updated
		}
	}
	steady := func(name string) bool { k, changed := kinds[name]; return !changed || k == refs.Updated }
	takes := s.took || slices.ContainsFunc(s.Changes, takesAway) // and so may take what a tip was reached by
	known := map[[2]string]bool{}                                // a branch that HEAD points to leaves the tips that HEAD leaves
	for _, t := range tips {
		oid, shown := s.find(t.Name)
		if !shown {
			oid = now
		}
		// Where the name is gone, where HEAD leads now is part of what is to be approved.
		change := refs.Change{Ref: t.Name, Old: t.OID, New: oid, Kind: refs.Forced}
		if oid == "" {
			change.Kind = refs.Deleted
		}
		pair := [2]string{t.OID, oid}
		lost, asked := known[pair]
		switch {
		case !t.Head, oid == t.OID, shown && steady(t.Name), len(heads) > 0 && heads[len(heads)-1].Ref == t.Name:
			continue // what only grew takes nothing away
		case !shown && !takes && t.Until.Before(s.At.Now) && steady(head):
			continue // it was gone before, and was judged then
		case !asked && oid == "":
			lost, err = unreached(f, t.OID, s.List)
		case !asked:
			lost, err = leaves(f, t.OID, oid)
		}
		if err != nil {
			return nil, err
		}
		if known[pair] = lost; lost {
			heads = append(heads, change)
		}
	}
	// Of what HEAD showed a branch's name tells more, unless HEAD shows something else.
	told := func(h refs.Change) bool { return now == "" || h.New == now }
	if len(heads) > 1 && heads[0].Ref == head && slices.ContainsFunc(heads[1:], told) {
		heads = heads[1:]
	}
	return heads, nil
}

// unreached tells whether no ref of list leads to oid.
func unreached(f Facts, oid string, list []refs.Ref) (bool, error) {
	reached, err := f.Reached([]string{oid}, list, nil)
	return !reached[oid], err
}

// leaves tells whether old has nothing in common with now, or much of what it leads to is
// not in now.
func leaves(f Facts, old, now string) (bool, error) {
	unrelated, err := f.Unrelated([][2]string{{old, now}})
	if err != nil || unrelated[0] {
		return err == nil, err
	}
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
