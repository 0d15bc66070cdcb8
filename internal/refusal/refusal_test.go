package refusal_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"gitmirror/internal/refusal"
)

// Every code that is declared is listed, once, with a status and a meaning.
func TestEveryCodeIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[refusal.Code]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			text, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			declared[refusal.Code(text)] = true
		}
		return true
	})
	listed := map[refusal.Code]bool{}
	for _, m := range refusal.Meanings {
		if listed[m.Code] || !declared[m.Code] || m.Means == "" || m.Status < 400 || m.Status > 599 {
			t.Errorf("%+v: listed twice, not declared, or without a meaning or status", m)
		}
		listed[m.Code] = true
	}
	for code := range declared {
		if !listed[code] {
			t.Errorf("%s is declared and not listed", string(code))
		}
	}
}

// What was given out keeps its status: clients and exit codes hang on it.
func TestStatusOfACode(t *testing.T) {
	for code, want := range map[refusal.Code]int{refusal.NodeUnreachable: 503, refusal.NotFound: 404, refusal.ConflictName: 409, refusal.StaleRun: 409,
		refusal.LastCopy: 409, refusal.NotOwner: 409, refusal.NodeUp: 409, refusal.KeyReused: 409, refusal.URLInvalid: 400, refusal.TooLarge: 413,
		refusal.ReadOnlyAddress: 403, refusal.HostUnknown: 421, refusal.WaitOver: 504, refusal.NoLeader: 503, "": 400, "of_a_later_release": 400} {
		if got := code.Status(); got != want {
			t.Errorf("%s: %d, want %d", string(code), got, want)
		}
	}
}

func TestARefusalIsFoundInAnError(t *testing.T) {
	full := refusal.New(refusal.LastCopy, "it has %s", "the only one")
	for _, c := range []struct {
		err          error
		code         refusal.Code
		detail, hint string
	}{
		{fmt.Errorf("remove: %w", full), refusal.LastCopy, "it has the only one", refusal.LastCopy.Hint()},
		{full.Try("wait"), refusal.LastCopy, "it has the only one", "wait"},
		{refusal.NoLeader, refusal.NoLeader, refusal.NoLeader.Error(), refusal.NoLeader.Hint()},
		{fmt.Errorf("%w: %w", refusal.NotLeader, errors.New("n2 is")), refusal.NotLeader, "the node is not the leader: n2 is", ""},
		{&refusal.Error{Code: refusal.Busy}, refusal.Busy, refusal.Busy.Error(), ""},
	} {
		r := refusal.Of(c.err)
		if r == nil || r.Code != c.code || r.Error() != c.detail || r.Hint != c.hint || !errors.Is(c.err, c.code) || errors.Is(c.err, refusal.NotFound) {
			t.Errorf("%v is taken for %+v", c.err, r)
		}
	}
	if r := refusal.Of(errors.New("broken")); r != nil || refusal.Of(nil) != nil {
		t.Errorf("%+v is no refusal", r)
	}
	if full.Hint == "wait" {
		t.Error("Try changed what it was called on")
	}
	if other := (&refusal.Error{Code: "later", Status: 409}); !other.Final() || other.HTTP() != 409 || refusal.Busy.Status() != 503 || (&refusal.Error{Code: refusal.Busy}).Final() {
		t.Error("the status that came with a code is not kept")
	}
}
