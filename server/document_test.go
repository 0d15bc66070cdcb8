package server

import (
	"flag"
	"fmt"
	"net/http"
	"os"
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
	for mark, table := range map[string]string{"requests": requestTable(), "states": stateTable(), "codes": codeTable()} {
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
	needs := map[kind]string{probe: "", read: "`consistent`", informed: "`consistent`", ask: "JSON", write: "JSON, a leader"}
	var b strings.Builder
	b.WriteString("| request | needs | what it does |\n|---|---|---|\n")
	for _, rt := range routes {
		fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", rt.method, rt.path, needs[rt.kind], rt.does)
	}
	return b.String()
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
