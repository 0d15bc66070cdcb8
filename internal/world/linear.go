package world

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"gitmirror/internal/refusal"
)

// What one repository is for people who add it, set it, rename it, pause it, look at it and have
// it removed: there under an id, with a size, a name and paused or not, or not there. An id that
// is not known matches any.
type mirrored struct {
	there    bool
	id, size string
	paused   bool
	called   string // empty: as it was added
}

// someID is the id of a repository whose addition nobody was told of.
const someID = "?"

// mirroring is how a repository changes by what people do, and what each of them may be told.
// What had an unknown outcome may have changed it, at any time after it was asked for, or not.
var mirroring = porcupine.NondeterministicModel{
	Init: func() []any { return []any{mirrored{}} },
	Step: func(state, input, output any) []any {
		is, op := state.(mirrored), input.(Operation)
		becomes, possible := is.after(op)
		if op.Outcome != Unknown {
			if !possible {
				return nil
			}
			return []any{becomes}
		}
		if !possible || becomes == is {
			return []any{is}
		}
		return []any{is, becomes}
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, _ any) string {
		op := input.(Operation)
		return fmt.Sprintf("%s %s: %s %s %s", op.What, op.Input, op.Outcome, op.Code, op.Output)
	},
}

// after is what becomes of a repository by an operation; false where nobody may be told that
// it came to that.
func (is mirrored) after(op Operation) (mirrored, bool) {
	if op.Outcome == Refused {
		switch refusal.Code(op.Code) {
		case refusal.NotFound:
			return is, !is.there
		case refusal.ConflictName, refusal.ConflictURL:
			return is, op.What == "add" && is.there
		}
		return is, false
	}
	switch op.What {
	case "add":
		id := op.Output
		if op.Outcome == Unknown {
			id = someID
		}
		return mirrored{there: true, id: id}, !is.there
	case "rm":
		return mirrored{}, is.there
	case "set":
		is.size = op.Input
		return is, is.there && (op.Outcome == Unknown || is.known(op.Output))
	case "pause":
		is.paused = op.Input == "true"
		return is, is.there && (op.Outcome == Unknown || is.known(op.Output))
	case "rename":
		is.called = op.Input
		return is, is.there && (op.Outcome == Unknown || is.known(op.Output))
	case "look":
		var id, size, called string
		var paused bool
		_, err := fmt.Sscan(op.Output, &id, &size, &paused, &called)
		if is.size == "" { // nobody has said
			size = ""
		}
		ok := err == nil && is.there && is.known(id) && is.size == size && is.paused == paused && cmp.Or(is.called, op.Subject) == called
		is.id = id
		return is, ok
	}
	return is, true
}

func (is mirrored) known(id string) bool { return is.id == id || is.id == someID }

// linear checks that what people were told goes with one order of all that they did, in which
// each thing stands between its request and its answer. It returns what does not.
func linear(ops []Operation) (flaws []string) {
	of := map[string][]porcupine.Operation{}
	for i, op := range ops {
		if op.Outcome == Not || !slices.Contains([]string{"add", "rm", "set", "pause", "rename", "look"}, op.What) || op.Outcome == Unknown && op.What == "look" {
			continue
		}
		returned := op.Returned.UnixNano()
		if op.Outcome == Unknown || op.Returned.IsZero() {
			op.Outcome, returned = Unknown, math.MaxInt64
		}
		of[op.Subject] = append(of[op.Subject], porcupine.Operation{ClientId: i, Input: op, Call: op.Invoked.UnixNano(), Return: returned})
	}
	for name, history := range of {
		if res, _ := porcupine.CheckOperationsVerbose(mirroring.ToModel(), history, time.Minute); res != porcupine.Ok {
			var lines []string
			for _, o := range history {
				op := o.Input.(Operation)
				lines = append(lines, fmt.Sprintf("%s-%s at %v: %s", op.Invoked.Format("04:05.000"), op.Returned.Format("04:05.000"), op.Nodes, mirroring.DescribeOperation(op, nil)))
			}
			flaws = append(flaws, fmt.Sprintf("no order of what was done to %s goes with what people were told (%s):\n%s", name, res, strings.Join(lines, "\n")))
		}
	}
	return flaws
}
