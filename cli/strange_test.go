package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// strange are answers of what is no node.
var strange = map[string]func(w http.ResponseWriter){
	"an empty object":      func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, "{}") },
	"a list":               func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, "[]") },
	"null":                 func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, "null") },
	"a page":               func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, "<!doctype html><title>It works</title>") },
	"nothing":              func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
	"no content":           func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
	"two that say nothing": func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, `{"results":[{},{}]}`) },
	"empty lists": func(w http.ResponseWriter) {
		_, _ = fmt.Fprint(w, `{"results":[{}],"repos":[{}],"nodes":[{}],"events":[{}],"trash":[{}],"refs":[{}],"copies":[{}]}`)
	},
}

// Whatever answers where a node is looked for, each command says so, and fails; no answer has a
// command go on as if it were one.
func TestWhatIsNoNodeIsSaidByEachCommand(t *testing.T) {
	for name, answer := range strange {
		f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		defer f.Close()
		for path, c := range commands() {
			// Of the last two it is a finding.
			if !asksNode(c) || slices.Contains([]string{"doctor", "debug bundle"}, path) {
				continue
			}
			forms := [][]string{arguments(path)}
			if strings.Contains(c.ArgsUsage, "...") {
				forms = append(forms, append(arguments(path), "https://example.org/c/d"))
			}
			if hasFlag(c, "all") {
				forms = append(forms, []string{"--all"})
			}
			for _, args := range forms {
				line := append(strings.Fields(path), append(args, "--addr", f.URL)...)
				if hasFlag(c, "yes") && !slices.Contains(line, "--yes") {
					line = append(line, "--yes")
				}
				if name == "empty lists" {
					line = append(line, "--timeout", "200ms") // of a copy that says nothing more is waited for
				}
				r := runWith(t, "https://example.org/a/b\n", line...)
				deleted := name == "no content" && slices.Contains([]string{"node rm", "repo rm"}, path) && len(args) == 1 // which a node answers so
				listed := name == "empty lists" && (r.code == exitOK || r.code == exitTimeout)
				switch {
				case deleted, listed:
				case r.code != exitFailed || !strings.Contains(r.err, "Error: "):
					t.Errorf("%s answers %q: exit code %d, %q, %q", name, line, r.code, r.out, r.err)
				case name != "empty lists" && !strings.Contains(r.err, f.URL+" answered with something that is not the API's") && !strings.Contains(r.err, "Error: asked about "):
					t.Errorf("%s answers %q: it does not say what is wrong: %q", name, line, r.err)
				}
			}
		}
	}
}
