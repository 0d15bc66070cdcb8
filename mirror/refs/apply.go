package refs

import (
	"fmt"
	"slices"
)

// Apply makes the public refs of the next table from those of old, as the
// changes say; private refs stay. What tags of changed refs lead to is not
// known. It fails where a change does not fit what old shows.
func Apply(old *Table, changes []Change, head Head) (*Table, error) {
	next := map[string]Ref{}
	for _, r := range old.Refs {
		next[r.Name] = r
	}
	for _, c := range changes {
		if had := next[c.Ref].OID; had != c.Old || !ValidName(c.Ref) {
			return nil, fmt.Errorf("%.80q is at %q, not at %q", c.Ref, had, c.Old)
		}
		if c.New == "" {
			delete(next, c.Ref)
		} else {
			next[c.Ref] = Ref{Name: c.Ref, OID: c.New}
		}
	}
	t := &Table{Head: head, Refs: make([]Ref, 0, len(next))}
	for _, r := range next {
		t.Refs = append(t.Refs, r)
	}
	t.Refs = slices.Clip(t.Refs)
	Sort(t.Refs)
	return t, nil
}
