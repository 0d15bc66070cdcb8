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

// What one repository is for people who add it, set it, rename it, have it followed elsewhere,
// pause it, look at it, have it removed and brought back: there under an id, with a size, a name,
// an address and paused or not, or not there; and what there was of it that can be brought back.
// An id that is not known matches any.
type mirrored struct {
	row
	there bool
	trash string // a line for each row
}

type row struct {
	id, size    string // of no size: nobody has said
	paused      bool
	called, url string // empty: as it was added
}

// someID is the id of a repository whose addition nobody was told of.
const someID = "?"

// mirroring is how a repository changes by what people do, and what each of them may be told.
// What had an unknown outcome may have changed it, at any time after it was asked for, or not.
var mirroring = porcupine.NondeterministicModel{
	Init: func() []any { return []any{mirrored{}} },
	Step: func(state, input, output any) (next []any) {
		is, op := state.(mirrored), input.(Operation)
		if op.Outcome == Unknown {
			next = append(next, is)
		}
		for _, becomes := range is.after(op) {
			if op.Outcome != Unknown || becomes != is {
				next = append(next, becomes)
			}
		}
		return next
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, _ any) string {
		op := input.(Operation)
		return fmt.Sprintf("%s %s: %s %s %s", op.What, op.Input, op.Outcome, op.Code, op.Output)
	},
}

// after is what may become of a repository by an operation; nothing where nobody may be told
// that it came to that.
func (is mirrored) after(op Operation) []mirrored {
	becomes := func(next mirrored, possible bool) []mirrored {
		if !possible {
			return nil
		}
		return []mirrored{next}
	}
	if op.Outcome == Refused {
		return becomes(is, is.refuses(op))
	}
	told := op.Outcome == Unknown || is.known(op.Output)
	switch op.What {
	case "add":
		id := op.Output
		if op.Outcome == Unknown {
			id = someID
		}
		return becomes(mirrored{row: row{id: id}, there: true, trash: is.trash}, !is.there)
	case "rm":
		return becomes(mirrored{trash: is.trash + is.line()}, is.there)
	case "undo":
		return is.undone(op)
	case "set":
		is.size = op.Input
		return becomes(is, is.there && told)
	case "pause":
		is.paused = op.Input == "true"
		return becomes(is, is.there && told)
	case "rename":
		is.called = op.Input
		return becomes(is, is.there && told)
	case "url":
		is.url = op.Input
		return becomes(is, is.there && told)
	case "look":
		var said row
		_, err := fmt.Sscan(op.Output, &said.id, &said.size, &said.paused, &said.called, &said.url)
		if is.size == "" {
			said.size = ""
		}
		ok := err == nil && is.there && is.known(said.id) && is.size == said.size && is.paused == said.paused &&
			cmp.Or(is.called, op.Subject) == said.called && cmp.Or(is.url, "https://"+op.Subject) == said.url
		is.id = said.id
		return becomes(is, ok)
	}
	return becomes(is, true)
}

// refuses tells whether an operation may be refused as it was.
func (is mirrored) refuses(op Operation) bool {
	switch code := refusal.Code(op.Code); {
	case op.What == "undo" && code == refusal.NotFound:
		return is.trash == ""
	case op.What == "undo" && code == refusal.CopiesGone:
		return is.trash != ""
	case code == refusal.NotFound:
		return !is.there
	case code == refusal.ConflictName, code == refusal.ConflictURL:
		return is.there && (op.What == "add" || op.What == "undo" && is.trash != "")
	}
	return false
}

// undone are the ways in which a row can be brought back.
func (is mirrored) undone(op Operation) (list []mirrored) {
	if is.there {
		return nil
	}
	for line := range strings.Lines(is.trash) {
		was := rowOf(line)
		if op.Outcome != Unknown && was.id != someID && was.id != op.Output {
			continue
		}
		if was.id == someID && op.Outcome != Unknown {
			was.id = op.Output
		}
		list = append(list, mirrored{row: was, there: true, trash: strings.Replace(is.trash, line, "", 1)})
	}
	return list
}

// line is a row in the trash, and rowOf what there was of it.
func (r row) line() string {
	return fmt.Sprintf("%q %q %t %q %q\n", r.id, r.size, r.paused, r.called, r.url)
}

func rowOf(line string) (r row) {
	_, _ = fmt.Sscanf(line, "%q %q %t %q %q", &r.id, &r.size, &r.paused, &r.called, &r.url)
	return r
}

func (is mirrored) known(id string) bool { return is.id == id || is.id == someID }

// told are the operations whose answers must go with one order.
var told = []string{"add", "rm", "undo", "set", "pause", "rename", "url", "look"}

// linear checks that what people were told goes with one order of all that they did, in which
// each thing stands between its request and its answer. It returns what does not. Where it is
// late, days have gone by, and the trash may be empty.
func linear(ops []Operation, late bool) (flaws []string) {
	of := map[string][]porcupine.Operation{}
	for i, op := range ops {
		if op.Outcome == Not || !slices.Contains(told, op.What) || op.Outcome == Unknown && op.What == "look" {
			continue
		}
		if op.What == "undo" && op.Code == string(refusal.NotFound) {
			if late {
				continue
			}
			if op.Doubted { // it may have been brought back, and removed since
				op.Outcome = Unknown
			}
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
