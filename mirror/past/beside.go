package past

import (
	"slices"
	"strings"

	"gitmirror/mirror/refs"
)

// Beside is the step without those of the refs: what upstream does beside what a person
// lets it do with them. They count as published where upstream has them, and what they led
// to may be in no other ref.
func (s *Step) Beside(names []string) *Step {
	is := func(name string) bool { return slices.Contains(names, name) }
	base := *s.Base
	base.Refs = slices.DeleteFunc(slices.Clone(base.Refs), func(r refs.Ref) bool { return is(r.Name) })
	for _, r := range s.List {
		if is(r.Name) {
			i, _ := slices.BinarySearchFunc(base.Refs, r.Name, func(r refs.Ref, n string) int { return strings.Compare(r.Name, n) })
			base.Refs = slices.Insert(base.Refs, i, r)
		}
	}
	next := &Step{Base: &base, Past: s.Past, List: s.List, Head: s.Head, At: s.At, took: true}
	if s.Past != nil {
		next.Past = s.Past.Clone()
		next.Past.Tips = slices.DeleteFunc(next.Past.Tips, func(t Tip) bool { return is(t.Name) })
	}
	next.Changes = slices.DeleteFunc(slices.Clone(s.Changes), func(c refs.Change) bool { return is(c.Ref) })
	return next
}
