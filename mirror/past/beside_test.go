package past_test

import (
	"fmt"
	"testing"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// What a person lets upstream do with some refs is neither lost nor counted; the rest is
// judged as it would be without them.
func TestStepBesideWhatAPersonTook(t *testing.T) {
	base := &refs.Table{Generation: 1, Head: "ref: refs/heads/b0"}
	for i := range 10 {
		base.Refs = append(base.Refs, refs.Ref{Name: fmt.Sprint("refs/heads/b", i), OID: oid(i + 1)})
	}
	// b0 and b1 have moved, b2 to b4 are gone, and one is new.
	list := append([]refs.Ref{{Name: "refs/heads/a", OID: oid(90)}, {Name: "refs/heads/b0", OID: oid(91)}, {Name: "refs/heads/b1", OID: oid(92)}}, base.Refs[5:]...)
	record := &past.Record{Tips: []past.Tip{{Name: "refs/heads/b2", OID: oid(80), Until: noon, Settled: true, Lost: true}, {Name: "refs/heads/b5", OID: oid(81), Until: noon, Settled: true, Lost: true}}}
	changes := refs.Diff(base, list)
	for i := range changes {
		if changes[i].Kind == refs.Updated {
			changes[i].Kind = refs.Forced
		}
	}
	step := &past.Step{Base: base, Past: record, List: list, Head: base.Head, Changes: changes, At: at(noon)}
	for name, c := range map[string]struct {
		taken         []string
		reason        string
		lost, settled int
	}{
		"nothing":       {nil, past.HeadRewrite, 6, 10},
		"HEAD's branch": {[]string{"refs/heads/b0"}, past.MassDelete, 5, 10},
		"three more":    {[]string{"refs/heads/b0", "refs/heads/b1", "refs/heads/b2", "refs/heads/b3"}, "", 2, 8},
		"all of it":     {[]string{"refs/heads/b0", "refs/heads/b1", "refs/heads/b2", "refs/heads/b3", "refs/heads/b4", "refs/heads/b5"}, "", 0, 7},
	} {
		beside := step.Beside(c.taken)
		if err := beside.Base.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v, err := beside.Weigh(flat{})
		if err != nil || v.Reason != c.reason || len(v.Lost) != c.lost || v.Settled != c.settled {
			t.Errorf("%s: %q, %d of %d lost (%v), want %q, %d of %d", name, v.Reason, len(v.Lost), v.Settled, err, c.reason, c.lost, c.settled)
		}
	}
	if v, err := step.Weigh(flat{}); err != nil || len(v.Lost) != 6 || len(step.Past.Tips) != 2 || len(base.Refs) != 10 {
		t.Errorf("the step itself has changed: %d lost, %v", len(v.Lost), err)
	}
}
