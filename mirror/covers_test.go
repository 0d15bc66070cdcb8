package mirror

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
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
	all := &Approval{Count: 30, First: shown[:20], Losses: past.LossDigest(shown)}
	few := &Approval{Count: 3, First: shown[:3], Losses: past.LossDigest(shown[:3])}
	other := refs.Change{Ref: "refs/heads/main", Old: "old"}
	for name, c := range map[string]struct {
		p    *Approval
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
		"a hold of counts":                 {&Approval{}, shown[:1], false},
	} {
		if got := (&Engine{}).covers(context.Background(), nil, c.p, c.lost); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A hold is judged again after ten minutes though upstream shows the same, and at once when
// a person has said something.
func TestHoldIsJudgedAgain(t *testing.T) {
	w := newWard(t, t.Context(), 1)
	a := Assignment{ID: "REPO0", Name: "r0", Generation: 1}
	_, a.Digest = w.copies[0].Generation()
	j := &job{}
	for name, c := range map[string]struct {
		hold *Hold
		age  time.Duration
		word uint64
		pins []Pin
		same bool // as it was seen last
	}{
		"no hold":                  {nil, time.Hour, 0, nil, true},
		"no hold, and a word":      {nil, time.Minute, 1, nil, true},
		"a hold":                   {&Hold{}, 9 * time.Minute, 0, nil, true},
		"a hold for long":          {&Hold{}, 11 * time.Minute, 0, nil, false},
		"a hold, and a word":       {&Hold{}, time.Minute, 1, nil, false},
		"no hold, but what stays":  {nil, time.Minute, 0, []Pin{{Ref: "refs/heads/x"}}, false},
		"another table than it is": {nil, time.Minute, 0, nil, false},
	} {
		w.see(j, a, "up", 7, c.hold)
		s := j.seen["up"]
		s.at = s.at.Add(-c.age)
		j.seen["up"] = s
		now := a
		now.Word, now.Pins = c.word, c.pins
		if name == "another table than it is" {
			now.Digest[0]++
		}
		if got := w.lastSeen(j, now, "up"); (got == 7) != c.same {
			t.Errorf("%s: last seen %d", name, got)
		}
	}
}
