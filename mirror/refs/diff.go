package refs

// Kind says what happened to a ref.
type Kind string

// A ref that moved is Updated until somebody has looked at the history and
// found it Forced.
const (
	Created Kind = "created"
	Updated Kind = "updated"
	Forced  Kind = "forced"
	Deleted Kind = "deleted"
)

// Kinds are all of them.
var Kinds = []Kind{Created, Updated, Forced, Deleted}

// Change is one ref's step from a table to the next.
type Change struct {
	Ref      string
	Old, New string // hex ids; Old empty when created, New when deleted
	Kind     Kind
}

// Diff lists, in order of name, how the public refs of old become list, which
// is sorted. Moved refs are Updated.
func Diff(old *Table, list []Ref) []Change {
	var changes []Change
	i, j := 0, 0
	for i < len(old.Refs) || j < len(list) {
		switch {
		case i < len(old.Refs) && !old.Refs[i].Public():
			i++
		case j == len(list) || i < len(old.Refs) && old.Refs[i].Name < list[j].Name:
			changes = append(changes, Change{Ref: old.Refs[i].Name, Old: old.Refs[i].OID, Kind: Deleted})
			i++
		case i == len(old.Refs) || list[j].Name < old.Refs[i].Name:
			changes = append(changes, Change{Ref: list[j].Name, New: list[j].OID, Kind: Created})
			j++
		default:
			if old.Refs[i].OID != list[j].OID {
				changes = append(changes, Change{Ref: list[j].Name, Old: old.Refs[i].OID, New: list[j].OID, Kind: Updated})
			}
			i++
			j++
		}
	}
	return changes
}
