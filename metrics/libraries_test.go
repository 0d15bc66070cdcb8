package metrics

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// measured are keys of go-metrics as they are written in sources: all of it, or what it
// begins with.
var measured = regexp.MustCompile(`\[\]string\{((?:"[\w.]+",? ?)+)(?:,? ?\w[^}"]*)?\}`)

// keysOf are the keys that a module measures by, as far as they are literal.
func keysOf(t *testing.T, module string) map[string]bool {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range measured.FindAllStringSubmatch(string(text), -1) {
			var words []string
			for w := range strings.SplitSeq(m[1], ",") {
				if w = strings.Trim(strings.TrimSpace(w), `"`); w != "" {
					words = append(words, w)
				}
			}
			if words[0] == "raft" || words[0] == "memberlist" {
				keys[strings.Join(words, ".")] = true
			}
		}
	}
	return keys
}

// What raft and memberlist measure is exported, or left out for a reason; and whatever is
// exported is measured by them. A new release of theirs shows here.
func TestEachMetricOfTheLibrariesIsExportedOrLeftOut(t *testing.T) {
	there := map[string]bool{}
	for _, module := range []string{"github.com/hashicorp/raft", "github.com/hashicorp/raft-boltdb/v2", "github.com/hashicorp/memberlist"} {
		keys := keysOf(t, module)
		if len(keys) < 10 {
			t.Errorf("%s: only %d keys were found: its sources are written otherwise", module, len(keys))
		}
		for k := range keys {
			there[k] = true
		}
	}
	delete(there, "raft.leader") // a prefix, of what leftOut has
	there["raft.leader.oldestLogAge"] = true
	ours := map[string]int{}
	for _, l := range libraries {
		ours[l.key]++
	}
	for _, keys := range leftOut {
		for _, k := range keys {
			ours[k]++
		}
	}
	for k, n := range ours {
		if !there[k] {
			t.Errorf("%s is in the lists, and nobody measures it", k)
		}
		if n > 1 {
			t.Errorf("%s is in the lists %d times", k, n)
		}
	}
	for k := range there {
		if ours[k] == 0 {
			t.Errorf("%s is measured, and neither exported nor left out", k)
		}
	}
	var names []string
	for _, l := range libraries {
		names = append(names, l.name)
		if (l.kind == times) != (l.unit > 0) {
			t.Errorf("%s: a time has a unit, and nothing else has", l.key)
		}
	}
	if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("a name is there twice: %v", names)
	}
}
