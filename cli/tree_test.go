package cli

import (
	"encoding/json"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	urfave "github.com/urfave/cli/v2"
)

// The names are a contract: what is taken away here is taken away from
// somebody's script.
func TestCommandsAndFlagsAreThere(t *testing.T) {
	common := []string{"addr", "output", "o", "timeout", "quiet", "q"}
	start := []string{"name", "data", "http", "peer", "join", "advertise", "advertise-http", "raft-timing", "replace-after", "max-size", "max-object-size", "git-memory", "allow-upstream", "allow-host", "source-token",
		"insecure-peers", "insecure-api", "log-level", "log-format", "config", "bootstrap-expect"}
	want := map[string][]string{
		"start": start, "config init": start, "config validate": start, "config show": append([]string{"origin"}, start...),
		"demo": {"upstream", "keep", "samples", "sabotage"}, "status": {"watch", "w", "exit-code"}, "version": nil, "doctor": {"http", "peer"}, "debug bundle": {"anonymous"}, "completion": nil,
		"repo add": {"name", "replicas", "interval", "max-size", "max-object-size", "wait", "label"}, "repo set": {"max-size", "max-object-size", "accept-flaws", "interval", "replicas", "name", "alias", "url", "label"}, "repo pause": nil, "repo resume": nil, "repo ls": {"state", "stale", "limit"}, "repo show": nil, "repo url": {"insteadof"}, "repo rm": {"yes"},
		"repo sync": {"all", "wait"}, "repo verify": {"all", "detach"}, "repo gc": {"all", "detach"}, "repo import": {"interval", "replicas", "max-size", "max-object-size", "label", "update", "dry-run", "n"},
		"repo refs": {"kept", "limit"}, "repo approve": {"restored", "yes"}, "repo restore": {"to", "yes"},
		"source add": {"name", "namespace", "ref", "path", "base-url", "match", "exclude", "topic", "visibility", "skip-archived", "skip-forks", "max-repo-size", "wiki", "template", "clone-over", "dry-run", "n"}, "source ls": nil, "source show": nil, "source set": {"ref", "path", "match", "exclude", "topic", "visibility", "skip-archived", "skip-forks", "max-repo-size", "wiki", "template"}, "source sync": nil, "source pause": nil, "source resume": nil, "source approve": {"yes"}, "source rm": {"yes"},
		"import":   {"base-url", "match", "exclude", "topic", "visibility", "skip-archived", "skip-forks", "max-repo-size", "wiki", "template", "clone-over", "dry-run", "n", "interval", "replicas", "label"},
		"trash ls": {"limit"}, "trash restore": {"wait"},
		"events": {"follow", "f", "repo", "after", "limit"}, "node ls": nil, "node show": nil, "node rm": {"yes", "accept-loss"}, "node drain": {"deadline", "detach"}, "node undrain": nil, "cluster transfer-leader": nil, "cluster recover": {"data", "yes"},
	}
	have := commands()
	if len(have) != len(want) {
		t.Errorf("there are %d commands, want %d", len(have), len(want))
	}
	for path, flags := range want {
		c := have[path]
		if c == nil {
			t.Errorf("no command %q", path)
			continue
		}
		for _, f := range append(flags, common...) {
			if !hasFlag(c, f) {
				t.Errorf("%s has no --%s", path, f)
			}
		}
	}
}

func TestEveryLeafExplainsItself(t *testing.T) {
	for path, c := range commands() {
		t.Run(path, func(t *testing.T) {
			r := run(t, append(strings.Fields(path), "--help")...).want(t, exitOK)
			contains(t, "help", r.out, "NAME:", c.Usage, "USAGE:", "gitmirror "+path+" [flags]", "Examples:")
			if r.err != "" {
				t.Errorf("help talks on stderr: %s", r.err)
			}
			for _, f := range c.Flags {
				if names := visibleNames(f); len(names) > 0 {
					contains(t, "help", r.out, "--"+names[0])
				}
			}
			if strings.Contains(r.out, "sabotage") {
				t.Error("help shows a hidden flag")
			}
		})
	}
}

// A documented example is a command line that we would take.
func TestExamplesAreCommandLines(t *testing.T) {
	app := program{}.app()
	for path, c := range commands() {
		_, examples, _ := strings.Cut(c.Description, "Examples:\n")
		for line := range strings.Lines(examples) {
			line = strings.Trim(strings.TrimSpace(line), "<>()")
			at := strings.Index(line, "gitmirror "+path)
			if at < 0 {
				t.Errorf("%s: the example %q does not show it", path, line)
				continue
			}
			line, _, _ = strings.Cut(line[at:], " | ")
			line, _, _ = strings.Cut(line, " > ")
			if _, err := arrange(app, strings.Fields(line)); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

func TestUnknownFlagIsRefusedWithASuggestion(t *testing.T) {
	for path := range commands() {
		r := run(t, append(strings.Fields(path), "--outptu", "json")...).want(t, exitUsage)
		contains(t, path, r.err, "Error: gitmirror "+path+" has no flag --outptu; did you mean --output?", "Try:   gitmirror "+path+" --help")
	}
}

func TestHelpAndUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		out  string // on stdout
		err  string // on stderr
	}{
		{"", exitUsage, "", "COMMANDS:"},
		{"--help", exitOK, "COMMANDS:", ""},
		{"help", exitOK, "COMMANDS:", ""},
		{"repo", exitUsage, "", "import"},
		{"repo --help", exitOK, "import", ""},
		{"help repo add", exitOK, "gitmirror repo add [flags] URL...", ""},
		{"--version", exitOK, "gitmirror ", ""},
		{"version", exitOK, "go1.", ""},
		{"rpo ls", exitUsage, "", `did you mean "repo"?`},
		{"repo sho x", exitUsage, "", `did you mean "show"?`},
		{"frobnicate", exitUsage, "", `gitmirror has no command "frobnicate"`},
		{"--frobnicate", exitUsage, "", "gitmirror has no flag --frobnicate"},
		{"repo ls --limit", exitUsage, "", "the flag --limit needs a value"},
		{"repo ls --limit x", exitUsage, "", "a whole number is wanted"},
		{"repo ls --limit 0", exitUsage, "", "--limit 0 lists nothing"},
		{"repo ls a b", exitUsage, "", `does not take the argument "b"`},
		{"repo ls -o yaml", exitUsage, "", `"yaml" is neither table nor json`},
		{"status -o wide", exitUsage, "", "the output format wide is for gitmirror repo ls alone"},
		{"repo show", exitUsage, "", "gitmirror repo show needs NAME"},
		{"repo add u --interval 5", exitUsage, "", "a duration is wanted"},
		{"repo add u --interval 1.0005s", exitUsage, "", "finer than a millisecond"},
		{"repo add u --interval 10ms", exitUsage, "", "less than 1s"},
		{"repo add u --replicas 0", exitUsage, "", "keeps no copy"},
		{"repo add u v --name n", exitUsage, "", "--name names one repository"},
		{"repo add --timeout -1s u", exitUsage, "", "is negative"},
		{"repo add u --max-size much", exitUsage, "", "is no size"},
		{"repo set u", exitUsage, "", "nothing to change"},
		{"repo sync", exitUsage, "", "needs NAME..., or --all"},
		{"repo sync a --all", exitUsage, "", "exclude each other"},
		{"status --addr ftp://x", exitUsage, "", "neither http nor https"},
		{"status --addr http://u:p@x", exitUsage, "", "more than scheme, host and port"},
		{"start --raft-timing fats", exitUsage, "", `did you mean "fast"?`},
		{"start --log-level loud", exitUsage, "", "none of debug, info, warn, error"},
		{"start --replace-after 0s", exitUsage, "", "no time to wait"},
		{"start here", exitUsage, "", `does not take the argument "here"`},
		{"config show --replace-after 1ns", exitUsage, "", "finer than a millisecond"},
		{"config show --hosts github.com", exitUsage, "", "is no HOST=RATE"},
		{"config show --hosts github.com=0/s", exitUsage, "", "is no HOST=RATE"},
		{"config show --hosts a=1/s --hosts A=2/s", exitUsage, "", "has a twice"},
		{"config show --min-interval 10ms", exitUsage, "", "less than 1s"},
		{"config show --min-interval 1h --max-interval 1m", exitUsage, "", "less than --min-interval 1h"},
		{"config show --data none --config none/x.yaml", exitUsage, "", "there is no none/x.yaml"},
		{"config validate --data none --bootstrap-expect -1", exitUsage, "", "is no number of nodes"},
		{"config validate --data none --bootstrap-expect 3", exitUsage, "", "--join is missing"},
		{"config validate --data none --bootstrap-expect 2 --join a:1,b:1,c:1,d:1", exitUsage, "", "--bootstrap-expect 3"},
		{"config validate --data none --peer 0.0.0.0:1", exitUsage, "", "--insecure-peers"},
		{"demo --samples 70000", exitUsage, "", "is not a port"},
		{"demo --samples 0 --keep", exitUsage, "", "no other flag"},
		{"completion tcsh", exitUsage, "", "bash, zsh and fish"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := run(t, strings.Fields(tt.args)...).want(t, tt.code)
			contains(t, "stdout", r.out, tt.out)
			contains(t, "stderr", r.err, tt.err)
			if tt.code != exitOK && strings.HasPrefix(r.err, "Error: ") {
				contains(t, "stderr", r.err, "\nTry:   ")
			}
			if (tt.out == "") != (r.out == "") || (tt.err == "") != (r.err == "") {
				t.Errorf("stdout %q, stderr %q", r.out, r.err)
			}
		})
	}
}

func TestNoServerIsExit7WithANextCommand(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "http://" + l.Addr().String()
	_ = l.Close() // nobody listens there now
	for path := range commands() {
		// Of the last two it is a finding that nobody answers.
		if slices.Contains([]string{"start", "demo", "version", "completion", "config init", "config validate", "config show", "cluster recover", "doctor", "debug bundle"}, path) {
			continue
		}
		t.Run(path, func(t *testing.T) {
			args := append(append(strings.Fields(path), arguments(path)...), "--addr", addr)
			// Nobody will be there, however long it is waited for.
			r := runPatiently(t.Context(), 20*time.Millisecond, "https://example.org/a/b\n", args...).want(t, exitUnavailable)
			contains(t, "stderr", r.err, "Error: no gitmirror node answered at "+addr, "\nCause: ", "connection refused", "\nTry:   gitmirror demo --keep")
			r = runPatiently(t.Context(), 20*time.Millisecond, "https://example.org/a/b\n", append(args, "-o", "json")...).want(t, exitUnavailable)
			var body struct {
				Error struct{ Code, Message, Hint string }
			}
			if err := json.Unmarshal([]byte(r.err), &body); err != nil || body.Error.Code != "no_node" || body.Error.Message == "" || body.Error.Hint == "" {
				t.Errorf("%v in %s", err, r.err)
			}
			if r.out != "" {
				t.Errorf("stdout has %s", r.out)
			}
		})
	}
}

// split reads flags without knowing the command, so a flag must mean the same
// to all.
func TestAFlagHasOneMeaning(t *testing.T) {
	kinds := map[string]reflect.Type{}
	for f := range allFlags(program{}.app().Commands) {
		for _, name := range f.Names() {
			if kind := reflect.TypeOf(f); kinds[name] == nil {
				kinds[name] = kind
			} else if kinds[name] != kind {
				t.Errorf("--%s is a %s here and a %s there", name, kinds[name], kind)
			}
		}
	}
}

func TestFlagsWorkBeforeAndAfterArguments(t *testing.T) {
	app := program{}.app()
	for path, c := range commands() {
		var flags []string
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				switch f.(type) {
				case *urfave.BoolFlag:
					flags = append(flags, dashed(name))
				case *urfave.DurationFlag:
					flags = append(flags, dashed(name), "9s")
				default:
					flags = append(flags, dashed(name), "7")
				}
			}
		}
		words := append([]string{"gitmirror"}, strings.Fields(path)...)
		args := []string{"one", "two"}
		want := slices.Concat(words, flags, []string{"--"}, args)
		for name, line := range map[string][]string{
			"before the arguments": slices.Concat(words, flags, args),
			"after the arguments":  slices.Concat(words, args, flags),
			"among the arguments":  slices.Concat(words, args[:1], flags, args[1:]),
			"before the command":   slices.Concat(words[:1], flags, words[1:], args),
		} {
			got, err := arrange(app, line)
			if err != nil || !slices.Equal(got.args, want) {
				t.Errorf("%s, flags %s: %q, %v\nwant %q", path, name, got.args, err, want)
			}
		}
	}
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func TestArrange(t *testing.T) {
	app := program{}.app()
	for _, tt := range []struct{ line, want string }{
		{"repo show -- --odd", "repo show -- --odd"},
		{"repo show -o=json a", "repo show -o=json -- a"},
		{"repo rm a --yes=false b", "repo rm --yes=false -- a b"},
		{"repo import - --interval 5m", "repo import --interval 5m -- -"},
		{"repo add u --name -x", "repo add --name -x -- u"},
		{"repo list", "repo ls --"},
		{"node get n1", "node show -- n1"},
		{"repo add --help u --nonsense", "repo add --help"},
	} {
		got, err := arrange(app, append([]string{"gitmirror"}, strings.Fields(tt.line)...))
		if line := strings.Join(got.args[1:], " "); err != nil || line != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.line, line, err, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"repo", "node", "status", "start"}
	for word, want := range map[string]string{"rep": "repo", "nodes": "node", "stauts": "status", "xyz": "", "": ""} {
		if got := nearest(word, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
