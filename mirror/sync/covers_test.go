package sync

import (
	"context"
	"fmt"
	"testing"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

// What is approved are losses as they were shown: the ref, where it was, where it went.
func TestWhatAnApprovalCovers(t *testing.T) {
	var shown []refs.Change
	for i := range 30 {
		shown = append(shown, refs.Change{Ref: fmt.Sprint("refs/heads/b", i), Old: fmt.Sprint("old", i)})
	}
	with := func(list []refs.Change, more ...refs.Change) []refs.Change {
		return append(append([]refs.Change{}, list...), more...)
	}
	all := &work.Approval{Count: 30, First: shown[:20], Losses: past.LossDigest(shown)}
	few := &work.Approval{Count: 3, First: shown[:3], Losses: past.LossDigest(shown[:3])}
	other := refs.Change{Ref: "refs/heads/main", Old: "old"}
	for name, c := range map[string]struct {
		p    *work.Approval
		lost []refs.Change
		want bool
	}{
		"all":                              {all, shown, true},
		"one more":                         {all, with(shown, other), false},
		"some of the named":                {all, shown[3:9], true},
		"the named, and one that was not":  {all, with(shown[:20], other), false},
		"one less, and not all were named": {all, shown[:29], false},
		"few":                              {few, shown[:3], true},
		"some of few":                      {few, shown[1:2], true},
		"it was elsewhere":                 {few, []refs.Change{{Ref: "refs/heads/b0", Old: "elsewhere"}}, false},
		"it was elsewhere, all the same":   {few, []refs.Change{{Ref: "refs/heads/b0", Old: "elsewhere"}, shown[1], shown[2]}, false},
		"it was to be gone, and has moved": {few, []refs.Change{{Ref: "refs/heads/b0", Old: "old0", New: "new"}}, false},
		"a hold of counts":                 {&work.Approval{}, shown[:1], false},
	} {
		if got := (&Worker{}).covers(context.Background(), nil, c.p, c.lost); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
