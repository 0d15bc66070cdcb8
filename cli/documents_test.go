package cli

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/cli, and what terminals show, anew")

// documents are the pages of docs/cli: one of each command, which is its help, and a list.
func documents(t *testing.T) map[string]string {
	all := commands()
	pages := map[string]string{}
	var list strings.Builder
	list.WriteString("# Commands\n\nWhat `gitmirror COMMAND --help` says, written by `go test ./cli -run DocumentsOfCommands -update`.\n\n| | |\n|---|---|\n")
	for _, path := range slices.Sorted(maps.Keys(all)) {
		page := strings.ReplaceAll(path, " ", "-") + ".md"
		help := run(t, append(strings.Fields(path), "--help")...).want(t, exitOK).out
		pages[page] = fmt.Sprintf("# gitmirror %s\n\n```\n%s\n```\n", path, strings.TrimSpace(help))
		fmt.Fprintf(&list, "| [%s](%s) | %s |\n", path, page, all[path].Usage)
	}
	pages["README.md"] = list.String()
	return pages
}

// docs/cli says of each command what its help says, and of no other.
func TestDocumentsOfCommands(t *testing.T) {
	dir := filepath.Join("..", "docs", "cli")
	want := documents(t)
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			write(t, filepath.Join(dir, name), text)
		}
	}
	have, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range have {
		if want[f.Name()] == "" {
			t.Errorf("docs/cli/%s is of a command that there is not", f.Name())
		}
	}
	for name, text := range want {
		if is, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(is) != text {
			t.Errorf("docs/cli/%s does not say what the help says (%v): go test ./cli -run DocumentsOfCommands -update", name, err)
		}
	}
}
