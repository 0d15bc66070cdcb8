package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// holding is what config show says of each setting.
func holding(t *testing.T, args ...string) (values map[string]any, origins map[string]string) {
	t.Helper()
	r := run(t, append([]string{"config", "show", "-o", "json"}, args...)...).want(t, exitOK)
	var shown struct {
		Settings []struct {
			Name   string
			Value  any
			Origin string
		}
	}
	if err := json.Unmarshal([]byte(r.out), &shown); err != nil {
		t.Fatal(err)
	}
	values, origins = map[string]any{}, map[string]string{}
	for _, s := range shown.Settings {
		values[s.Name], origins[s.Name] = s.Value, s.Origin
	}
	return values, origins
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A flag goes before the environment, that before the file, and that before the default.
func TestWhereASettingIsFrom(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "config.yaml"), "# mine\nlog-level: warn\nmax-size: 1GiB\nreplace-after: 5m\njoin: [h:1, h:2]\ninsecure-api: true\nmin-free: 3\n")
	t.Setenv("GITMIRROR_MAX_SIZE", "2GiB")
	t.Setenv("GITMIRROR_LOG_LEVEL", "error")
	t.Setenv("GITMIRROR_MIN_FREE", "") // says nothing
	t.Setenv("GITMIRROR_ALLOW_HOST", "a,b")
	values, origins := holding(t, "--data", dir, "--log-level", "debug")
	for _, want := range []struct {
		name, origin string
		value        any
	}{
		{"log-level", "flag", "debug"},
		{"max-size", "$GITMIRROR_MAX_SIZE", "2GiB"},
		{"replace-after", file + " line 4", "5m"},
		{"min-free", file + " line 7", "3"},
		{"insecure-api", file + " line 6", "true"},
		{"raft-timing", "default", "normal"},
	} {
		if values[want.name] != want.value || origins[want.name] != want.origin {
			t.Errorf("%s is %v from %s, want %v from %s", want.name, values[want.name], origins[want.name], want.value, want.origin)
		}
	}
	for name, want := range map[string]string{"join": `["h:1","h:2"]`, "allow-host": `["a","b"]`, "allow-upstream": `[]`} {
		if got, _ := json.Marshal(values[name]); string(got) != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}

	// Where the directory and the file are may be in the environment too.
	t.Setenv("GITMIRROR_DATA", dir)
	if _, origins := holding(t); origins["replace-after"] != file+" line 4" {
		t.Errorf("replace-after is from %s", origins["replace-after"])
	}
	other := write(t, filepath.Join(dir, "other.yaml"), "---\nlog-format: json\n")
	t.Setenv("GITMIRROR_CONFIG", other)
	if _, origins := holding(t); origins["log-format"] != other+" line 2" || origins["replace-after"] != "default" {
		t.Errorf("log-format is from %s, replace-after from %s", origins["log-format"], origins["replace-after"])
	}
}

// Name and addresses are from node.json, whatever the environment and the file say of a node
// that was never told; a flag alone goes before that.
func TestPlaceIsFromNodeJSON(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "config.yaml"), "name: filed\npeer: 127.0.0.1:5\n")
	t.Setenv("GITMIRROR_HTTP", "127.0.0.1:3")
	values, origins := holding(t, "--data", dir)
	if values["name"] != "filed" || origins["name"] != file+" line 1" || values["http"] != "127.0.0.1:3" || origins["http"] != "$GITMIRROR_HTTP" {
		t.Errorf("at first: %v from %v", values, origins)
	}
	write(t, filepath.Join(dir, "node.json"), `{"format":1,"id":"x","name":"kept","http":"127.0.0.1:1","peer":"127.0.0.1:2","advertise":"h:9"}`)
	values, origins = holding(t, "--data", dir, "--http", "127.0.0.1:4")
	for name, want := range map[string][2]string{"name": {"kept", "node.json"}, "http": {"127.0.0.1:4", "flag"}, "peer": {"127.0.0.1:2", "node.json"}, "advertise": {"h:9", "node.json"}, "advertise-http": {"", "default"}} {
		if values[name] != want[0] || origins[name] != want[1] {
			t.Errorf("%s is %v from %s, want %v", name, values[name], origins[name], want)
		}
	}
}

// A file means one thing, or is refused by line, and nothing is made.
func TestAFileOfSettingsIsStrict(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown", "log-level: info\nlog_levle: info\n", `line 2: there is no setting "log_levle"; did you mean "log-level"?`},
		{"nothing like it", "colour: red\n", `line 1: there is no setting "colour"; there are name, `},
		{"twice", "name: a\n\nname: b\n", "line 3: name is there twice, first in line 1"},
		{"where it is", "data: d\n", "line 1: data says where this file is"},
		{"no list", "join: a:1\n", "line 1: join is a list"},
		{"a list", "name: [a, b]\n", "line 1: name has one value"},
		{"two in one", "join:\n- a:1,b:2\n", `line 2: join: "a:1,b:2" is several`},
		{"nothing", "name:\n", "line 1: name has no value"},
		{"a word", "insecure-api: yes\n", `line 1: insecure-api is true or false, not "yes"`},
		{"an alias", "name: &n a\nadvertise: *n\n", "line 2: advertise: write the value out"},
		{"a list at all", "- name\n", "line 1: settings are lines of KEY: VALUE"},
		{"no YAML", "name: a\n\t- b\n", "line 2:"},
		{"a tab", "\tname: a\n", "line 1: a tab stands before the text"},
		{"two documents", "name: a\n---\nname: b\n", "more than one document"},
		{"a kind", "replace-after: soon\n", `line 1: replace-after "soon" cannot be read`},
		{"what it would be", "replace-after: 5x\n", "Try:   replace-after: 10m, in the place of 5x"},
		{"a value", "\nraft-timing: fats\n", `did you mean "fast"?`},
		{"a value's line", "\nraft-timing: fats\n", "config.yaml line 2"},
		{"an address", "peer: nowhere\n", `"nowhere" is not host:port`},
		{"too large", strings.Repeat("#", maxConfig+1), "more than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := write(t, filepath.Join(dir, "config.yaml"), tt.text)
			data := filepath.Join(dir, "data")
			for _, verb := range []string{"config validate", "config show", "start"} {
				r := run(t, append(strings.Fields(verb), "--data", data, "--config", file)...).want(t, exitUsage)
				contains(t, verb, r.err, tt.want, "\nTry:   ")
			}
			if _, err := os.Stat(data); err == nil {
				t.Error("the data directory was made")
			}
		})
	}
}

// A variable that is nearly a setting's is told of.
func TestMisspeltVariables(t *testing.T) {
	got := misspelt([]string{"GITMIRROR_REPLACE_AFTR=5m", "GITMIRROR_HTPP=x", "GITMIRROR_HTTP=x", "GITMIRROR_DATA=d", "GITMIRROR_ADDR=a", "GITMIRROR_COLOUR_OF_IT_ALL=red", "PATH=/bin", "REPLACE_AFTR=x"})
	want := []string{"$GITMIRROR_HTPP is no setting; did you mean $GITMIRROR_HTTP?", "$GITMIRROR_REPLACE_AFTR is no setting; did you mean $GITMIRROR_REPLACE_AFTER?"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestAllFaultsOfAFileAreTold(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "c.yaml"), "nam: a\nloog-level: b\n")
	contains(t, "stderr", run(t, "config", "validate", "--config", file).want(t, exitUsage).err, "line 1: ", `"name"`, "line 2: ", `"log-level"`)
}

// What is written is well as it is, and with all its lines filled in; it has each setting.
func TestTheWrittenFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	run(t, "config", "init", "--data", dir, "--replace-after", "1h30m", "--allow-host", "a", "--allow-host", "b").want(t, exitOK)
	file := filepath.Join(dir, "config.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "the file", string(data), "\nreplace-after: 1h30m\n", "\nallow-host: [a, b]\n", "\n# name: ")
	contains(t, "stdout", run(t, "config", "validate", "--data", dir).want(t, exitOK).out, "2 of ")

	contains(t, "stderr", run(t, "config", "init", "--data", dir).want(t, exitConflict).err, "is there already")
	if again, err := os.ReadFile(file); err != nil || string(again) != string(data) {
		t.Errorf("it was written again: %v", err)
	}

	write(t, file, regexp.MustCompile(`(?m)^# ([a-z-]+: )`).ReplaceAllString(string(data), "$1"))
	values, origins := holding(t, "--data", dir)
	for _, s := range settings() {
		if from := origins[s.name()]; !strings.HasPrefix(from, file) {
			t.Errorf("%s is %v from %s", s.name(), values[s.name()], from)
		}
	}
}

// What config show prints is a file that means the same.
func TestWhatIsShownIsAFile(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--data", dir, "--name", "no", "--join", "[::1]:7655", "--join", "h:1", "--min-free", "0", "--insecure-peers", "--replace-after", "90s"}
	for _, more := range [][]string{nil, {"--origin"}} {
		shown := run(t, append(append([]string{"config", "show"}, args...), more...)...).want(t, exitOK).out
		want, _ := holding(t, args...)
		file := write(t, filepath.Join(dir, "shown.yaml"), shown)
		got, _ := holding(t, "--data", dir, "--config", file)
		for name, v := range want {
			w, _ := json.Marshal(v)
			if g, _ := json.Marshal(got[name]); string(g) != string(w) {
				t.Errorf("%s is %s, and was %s", name, g, w)
			}
		}
	}
}

// What cannot be a setting is refused before a node starts, and what is no file is not waited for.
func TestSettingsThatNoNodeCanHave(t *testing.T) {
	for text, want := range map[string]string{
		"http: 127.0.0.1:99999":    "--http: \"99999\" is no port",
		"peer: 127.0.0.1:http":     "--peer: \"http\" is no port",
		"advertise: 0.0.0.0:1":     "--advertise 0.0.0.0:1 is no address that others could reach",
		"advertise: 10.0.0.1:0":    "--advertise 10.0.0.1:0 is no address",
		"advertise: 10.0.0.1:1e3":  "--advertise: \"1e3\" is no port",
		"allow-host: [a b]":        "--allow-host \"a b\" is no name of a host",
		"allow-host: [http://a/b]": "is no name of a host",
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "config.yaml"), text+"\n")
		contains(t, text, run(t, "config", "validate", "--data", dir).want(t, exitUsage).err, want)
	}
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "config.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, "a pipe", run(t, "config", "validate", "--data", dir).want(t, exitUsage).err, "it is no file")
	dir = t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(dir, "config.yaml")); err != nil {
		t.Fatal(err)
	}
	contains(t, "a link", run(t, "config", "validate", "--data", dir).want(t, exitUsage).err, "a link to what is not there")
	file := write(t, filepath.Join(t.TempDir(), "file"), "")
	contains(t, "a file", run(t, "config", "validate", "--data", file).want(t, exitUsage).err, file+" is no directory", "--data")
	t.Setenv("GITMIRROR_REPLACE_AFTR", "5m")
	contains(t, "a variable", run(t, "config", "validate", "--data", t.TempDir()).want(t, exitOK).err, "did you mean $GITMIRROR_REPLACE_AFTER?")
}
