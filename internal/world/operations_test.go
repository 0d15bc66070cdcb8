package world

import (
	"context"
	"errors"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// What a request came to is what the last one was told, but that what may have been done by
// an earlier one is not known to be undone by one that nobody could do.
func TestOutcomes(t *testing.T) {
	problem := func(c refusal.Code) error { return api.ProblemOf(refusal.New(c, "no")) }
	for _, c := range []struct {
		name    string
		told    []error
		want    Outcome
		doubted bool
	}{
		{"done", []error{nil}, Done, false},
		{"a rule", []error{problem(refusal.ConflictURL)}, Refused, false},
		{"no leader", []error{problem(refusal.NoLeader)}, Not, false},
		{"no node", []error{api.ErrNoNode}, Not, false},
		{"no answer", []error{context.DeadlineExceeded}, Unknown, false},
		{"a lost answer", []error{errors.New("connection reset")}, Unknown, false},
		{"not decided", []error{problem(refusal.UnknownOutcome)}, Unknown, false},
		{"not, and then done", []error{problem(refusal.NoLeader), nil}, Done, false},
		{"unknown, and then done", []error{context.DeadlineExceeded, nil}, Done, true},
		{"unknown, and then refused", []error{context.DeadlineExceeded, problem(refusal.NotFound)}, Refused, true},
		{"unknown, and then not", []error{context.DeadlineExceeded, problem(refusal.NoLeader)}, Unknown, true},
	} {
		var ops operations
		op := ops.begin(Operation{What: "add"})
		for _, err := range c.told {
			ops.asked(op, &Node{Name: "n1"}, "", err)
		}
		if all := ops.all(); len(all) != 1 || !all[0].Returned.IsZero() || len(all[0].Nodes) != len(c.told) {
			t.Errorf("%s: %+v", c.name, all)
		}
		ops.end(op)
		if got := ops.all()[0]; got.Outcome != c.want || got.Doubted != c.doubted || got.Returned.IsZero() {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
