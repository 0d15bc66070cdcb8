package server

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

var update = flag.Bool("update", false, "write the tables of docs/api.md")

// What stands between the marks of docs/api.md is made from the code.
func TestTheDocumentSaysWhatThereIs(t *testing.T) {
	const path = "../docs/api.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(data)
	for mark, table := range map[string]string{"requests": requestTable(), "states": stateTable(), "events": eventTable(), "codes": codeTable()} {
		begin, end := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, ends := strings.Cut(rest, end)
		if !ok || !ends {
			t.Fatalf("%s has no place for %s", path, mark)
		}
		want = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(data) {
		t.Errorf("%s is not what the code says: go test ./server -run Document -update", path)
	}
}

func requestTable() string {
	needs := map[kind]string{probe: "", read: "`consistent`", informed: "`consistent`", ask: "JSON", write: "JSON, a leader", yield: "JSON, a leader"}
	var b strings.Builder
	b.WriteString("| request | needs | what it does |\n|---|---|---|\n")
	for _, rt := range routes {
		fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", rt.method, rt.path, needs[rt.kind], rt.does)
	}
	return b.String()
}

func eventTable() string {
	var b strings.Builder
	b.WriteString("| type | meaning |\n|---|---|\n")
	for _, e := range api.EventTypes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", e.Name, e.Means)
	}
	return b.String()
}

// The types of events that the document lists are those that the table records.
func TestEveryTypeOfEventIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../fsm/events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var recorded, listed []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Event") {
			name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			recorded = append(recorded, name)
		}
		return true
	})
	for _, e := range api.EventTypes {
		listed = append(listed, e.Name)
	}
	slices.Sort(recorded)
	slices.Sort(listed)
	if !slices.Equal(recorded, listed) {
		t.Errorf("recorded are %q, listed %q", recorded, listed)
	}
}

func stateTable() string {
	var b strings.Builder
	b.WriteString("| state | meaning |\n|---|---|\n")
	for _, s := range api.States {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s.Name, s.Means)
	}
	return b.String()
}

func codeTable() string {
	var b strings.Builder
	b.WriteString("| code | status | meaning | what to try |\n|---|---|---|---|\n")
	for _, m := range refusal.Meanings {
		fmt.Fprintf(&b, "| `%s` | %d %s | %s | %s |\n", string(m.Code), m.Status, http.StatusText(m.Status), m.Means, m.Hint)
	}
	return b.String()
}
