package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What the unit and the compose file in docs start is a line that we take, with settings that
// are well.
func TestDocumentedStarts(t *testing.T) {
	well := func(what string, line []string) {
		t.Helper()
		got, err := arrange(program{}.app(), append([]string{"gitmirror"}, line...))
		if err != nil || !slices.Equal(got.args[:2], []string{"gitmirror", "start"}) {
			t.Errorf("%s starts %q: %v", what, line, err)
			return
		}
		data := slices.Index(line, "--data")
		if data < 0 {
			t.Errorf("%s names no --data: %q", what, line)
			return
		}
		args := slices.Concat([]string{"config", "validate"}, line[1:data], line[data+2:], []string{"--data", filepath.Join(t.TempDir(), "d")})
		contains(t, what, run(t, args...).want(t, exitOK).out, " of ")
	}

	unit, err := os.ReadFile("../docs/gitmirror.service")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(unit), "\nExecStart=")
	line, _, _ = strings.Cut(line, "\n")
	well("the unit", strings.Fields(line)[1:])

	text, err := os.ReadFile("../docs/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Command     []string
			Hostname    string
			Environment map[string]string
			Volumes     []string
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil || len(compose.Services) != 3 {
		t.Fatalf("the compose file has %d services, %v", len(compose.Services), err)
	}
	known := map[string]bool{}
	for _, s := range settings() {
		known[variable(s.name())] = true
	}
	for name, s := range compose.Services {
		t.Run(name, func(t *testing.T) {
			for v, value := range s.Environment {
				if !known[v] {
					t.Errorf("%s is no setting", v)
				}
				t.Setenv(v, value)
			}
			well(name, s.Command)
			if s.Environment["GITMIRROR_ADVERTISE"] != name+":7655" || s.Hostname != name || !slices.Contains(s.Volumes, name+":/data") || !strings.Contains(s.Environment["GITMIRROR_JOIN"], name+":7655") {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}
