package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"
)

// quoted are command lines of ours as documents and sources have them: in code, alone in a
// fenced line, or where a string begins.
var quoted = regexp.MustCompile("(?m)(?:`|\"|^\\s*|^\\w+\\$ )gitmirror ([a-z][^`\"\\n;|>#]*)")

// asCommand are what hints are made of: the words of a command line.
var asCommand = regexp.MustCompile(`(?:s\.command|Try)\("(?:gitmirror )?((?:repo|source|node|cluster|trash|config|debug|status|events|start|doctor|demo) ?[^"]*)"`)

var flagged = regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]+)`)

// Commands and flags that are named, in documents, hints, errors and examples, exist.
func TestWhatIsNamedExists(t *testing.T) {
	all := commands()
	groups := map[string]bool{}
	for path := range all {
		if group, _, two := strings.Cut(path, " "); two {
			groups[group] = true
		}
	}
	var lines int
	check := func(where, line string) {
		words := strings.Fields(line)
		var c *urfave.Command
		switch {
		case all[words[0]] != nil:
			c = all[words[0]]
		case groups[words[0]] && len(words) == 1:
			return
		case groups[words[0]]:
			if c = all[words[0]+" "+strings.Trim(words[1], ",.:)")]; c == nil && words[1] != "..." {
				t.Errorf("%s names gitmirror %s, which there is not", where, line)
			}
		case words[0] == "help" || strings.Trim(words[0], ".:,") != words[0]:
		default:
			if where[len(where)-1] != 'o' || len(words) > 1 && strings.HasPrefix(words[1], "-") { // in a source it may be prose
				t.Errorf("%s names gitmirror %s, which there is not", where, line)
			}
		}
		if c == nil {
			return
		}
		lines++
		for _, f := range flagged.FindAllStringSubmatch(line, -1) {
			if f[1] != "help" && f[1] != "version" && !hasFlag(c, f[1]) {
				t.Errorf("%s: gitmirror %s has no --%s: %s", where, c.Name, f[1], line)
			}
		}
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "e2e" || d.Name() == "internal" && path != filepath.Join("..", "internal") || d.Name() == ".git" || d.Name() == ".ci"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".md") && !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found := quoted.FindAllStringSubmatch(string(text), -1)
		if strings.HasSuffix(path, ".go") {
			found = append(found, asCommand.FindAllStringSubmatch(string(text), -1)...)
		}
		for _, m := range found {
			check(path, m[1])
		}
		return nil
	})
	if err != nil || lines < 200 {
		t.Errorf("%d lines, %v", lines, err)
	}
}
