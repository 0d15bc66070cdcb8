package mirror

import (
	"fmt"

	"gitmirror/mirror/refs"
)

// The brake: what upstream may take away at once before a person looks at it.
const (
	brakeShare = 0.30
	brakeLeast = 5
)

// brake holds what upstream shows where it takes away too much of what was
// published. The refs themselves are compared where they are known, counts of
// them where no table is at hand.
func brake(a Assignment, b base, list []refs.Ref, changes []refs.Change, head refs.Head) *Hold {
	shown := &refs.Table{Head: head, Refs: list}
	had, lost := b.table.PublicRefs(), 0
	for _, c := range changes {
		if c.Kind == refs.Deleted {
			lost++
		}
	}
	if b.of.Number == 0 && a.Generation > 0 {
		if shown.Digest() == a.PublicDigest {
			return nil
		}
		had, lost = a.Refs, a.Refs-len(list)
	}
	switch {
	case had == 0:
		return nil
	case len(list) == 0:
		return &Hold{Reason: "empty", Observed: shown.Digest()}
	case lost >= brakeLeast && float64(lost) > brakeShare*float64(had):
		return &Hold{Reason: "mass_delete", Observed: shown.Digest()}
	}
	return nil
}

// HoldMessage says what a hold is, for people.
func HoldMessage(reason string) string {
	switch reason {
	case "empty":
		return "upstream shows no refs any more; the last good generation stays"
	case "mass_delete":
		return fmt.Sprintf("upstream deleted more than %.0f %% of its refs; the last good generation stays", 100*brakeShare)
	}
	return reason
}
