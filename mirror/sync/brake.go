package sync

import (
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

// Where no table is at hand to compare with, counts are: what upstream may take away
// then before a person looks at it.
const (
	brakeShare = 0.30
	brakeLeast = 5
)

// brake holds what upstream shows where much fewer refs are left than were published,
// and nothing but the count of them is known. What is just what was published is none.
func brake(a work.Assignment, b base, list []refs.Ref, head refs.Head) *work.Hold {
	shown := &refs.Table{Head: head, Refs: list}
	if b.of.Number > 0 || a.Generation == 0 || a.Refs == 0 || shown.Digest() == a.PublicDigest {
		return nil
	}
	hold := &work.Hold{Observed: shown.Digest(), Lost: a.Refs - len(list), Settled: a.Refs}
	switch {
	case a.Approved != nil && (a.Approved.Observed == hold.Observed || a.Approved.Losses.IsZero() && a.Approved.Count >= hold.Lost && len(list) > 0):
		return nil // it lost no more than a person has seen
	case len(list) == 0:
		hold.Reason = past.Empty
	case hold.Lost >= brakeLeast && float64(hold.Lost) > brakeShare*float64(a.Refs):
		hold.Reason = past.MassDelete
	default:
		return nil
	}
	return hold
}
