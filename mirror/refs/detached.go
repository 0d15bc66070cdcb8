package refs

import (
	"slices"
	"strings"
)

// Detached copies changes: what is read of a file is a part of it, and holds all of it.
func Detached(changes []Change) []Change {
	out := make([]Change, len(changes))
	for i, c := range changes {
		out[i] = Change{Ref: strings.Clone(c.Ref), Old: strings.Clone(c.Old), New: strings.Clone(c.New), Kind: c.Kind}
	}
	return out
}

// Tips are the ids that refs, and a HEAD that is none of them, lead to: each once.
func Tips(list []Ref, head Head) []string {
	ids := make([]string, 0, len(list)+1)
	for _, r := range list {
		ids = append(ids, r.OID)
	}
	if head != "" && head.Target() == "" {
		ids = append(ids, string(head))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
