package mirror

import (
	"testing"
	"time"
)

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
