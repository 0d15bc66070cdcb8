package world

import (
	"testing"
	"time"
)

// The checker tells what people can be told from what they cannot.
func TestLinear(t *testing.T) {
	at := func(from, to int, op Operation) Operation {
		op.Subject, op.Invoked, op.Returned = "r", time.Unix(int64(from), 0), time.Unix(int64(to), 0)
		return op
	}
	add := Operation{What: "add", Outcome: Done, Output: "id1"}
	rm := Operation{What: "rm", Outcome: Done}
	set := Operation{What: "set", Outcome: Done, Input: "7", Output: "id1"}
	look := func(says string) Operation { return Operation{What: "look", Outcome: Done, Output: says} }
	pause := Operation{What: "pause", Outcome: Done, Input: "true", Output: "id1"}
	rename := Operation{What: "rename", Outcome: Done, Input: "r-too", Output: "id1"}
	move := Operation{What: "url", Outcome: Done, Input: "https://s", Output: "id1"}
	undo := Operation{What: "undo", Outcome: Done, Output: "id1"}
	refused := func(what, code string) Operation { return Operation{What: what, Outcome: Refused, Code: code} }
	unknown := func(op Operation) Operation { op.Outcome, op.Output = Unknown, ""; return op }
	for name, c := range map[string]struct {
		ops []Operation
		ok  bool
	}{
		"one after the other":                {[]Operation{at(1, 2, add), at(3, 4, set), at(5, 6, look("id1 7 false r https://r")), at(7, 8, rm), at(9, 10, refused("look", "not_found"))}, true},
		"an old value":                       {[]Operation{at(1, 2, add), at(3, 4, set), at(5, 6, set), at(7, 8, look("id1 5 false r https://r"))}, false},
		"lost":                               {[]Operation{at(1, 2, add), at(3, 4, refused("look", "not_found"))}, false},
		"twice":                              {[]Operation{at(1, 2, add), at(3, 4, add)}, false},
		"at the same time":                   {[]Operation{at(1, 9, add), at(2, 8, refused("add", "conflict_url"))}, true},
		"refused without a reason":           {[]Operation{at(1, 2, refused("add", "conflict_url"))}, false},
		"unknown, and done later":            {[]Operation{at(1, 2, unknown(add)), at(3, 4, refused("look", "not_found")), at(5, 6, look("id9 0 false r https://r"))}, true},
		"unknown, and never":                 {[]Operation{at(1, 2, unknown(add)), at(5, 6, refused("look", "not_found"))}, true},
		"unknown, and gone again":            {[]Operation{at(1, 2, unknown(add)), at(3, 4, look("id9 0 false r https://r")), at(5, 6, refused("look", "not_found"))}, false},
		"paused and renamed":                 {[]Operation{at(1, 2, add), at(3, 4, pause), at(5, 6, rename), at(7, 8, look("id1 0 true r-too https://r"))}, true},
		"paused, and forgotten":              {[]Operation{at(1, 2, add), at(3, 4, pause), at(5, 6, look("id1 0 false r https://r"))}, false},
		"renamed, and forgotten":             {[]Operation{at(1, 2, add), at(3, 4, rename), at(5, 6, look("id1 0 false r https://r"))}, false},
		"a new one is not paused":            {[]Operation{at(1, 2, add), at(3, 4, pause), at(5, 6, rm), at(7, 8, add), at(9, 10, look("id1 0 true r https://r"))}, false},
		"elsewhere, and forgotten":           {[]Operation{at(1, 2, add), at(3, 4, move), at(5, 6, look("id1 0 false r https://r"))}, false},
		"brought back as it was":             {[]Operation{at(1, 2, add), at(3, 4, set), at(5, 6, move), at(7, 8, rm), at(9, 10, undo), at(11, 12, look("id1 7 false r https://s"))}, true},
		"brought back as it never was":       {[]Operation{at(1, 2, add), at(3, 4, set), at(5, 6, rm), at(7, 8, undo), at(9, 10, look("id1 8 false r https://r"))}, false},
		"brought back, and gone":             {[]Operation{at(1, 2, add), at(3, 4, rm), at(5, 6, undo), at(7, 8, refused("look", "not_found"))}, false},
		"brought back twice":                 {[]Operation{at(1, 2, add), at(3, 4, rm), at(5, 6, undo), at(7, 8, undo)}, false},
		"brought back over another":          {[]Operation{at(1, 2, add), at(3, 4, rm), at(5, 6, Operation{What: "add", Outcome: Done, Output: "id2"}), at(7, 8, undo)}, false},
		"in the way of what comes back":      {[]Operation{at(1, 2, add), at(3, 4, rm), at(5, 6, Operation{What: "add", Outcome: Done, Output: "id2"}), at(7, 8, refused("undo", "conflict_name"))}, true},
		"removed, and not in the trash":      {[]Operation{at(1, 2, add), at(3, 4, rm), at(5, 6, refused("undo", "not_found"))}, false},
		"perhaps brought back":               {[]Operation{at(1, 2, add), at(3, 4, rm), at(5, 6, unknown(undo)), at(7, 8, look("id1 0 false r https://r"))}, true},
		"a key that was taken for another's": {[]Operation{at(1, 2, refused("add", "key_reused"))}, false},
	} {
		if flaws := linear(c.ops, false); (len(flaws) == 0) != c.ok {
			t.Errorf("%s: %v", name, flaws)
		}
	}
}
