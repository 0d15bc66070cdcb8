package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitmirror/api"
)

// completions are how each shell is had complete a line: WORDS are its words, the last of them
// typed so far.
var completions = map[string]string{
	"bash": `source "$SCRIPT"; COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gitmirror; printf '%s\n' "${COMPREPLY[@]}"`,
	"zsh":  `compdef() { : }; compadd() { shift; print -l -- "$@" }; _files() { print FILES }; source "$SCRIPT"; words=("$@"); CURRENT=$#; _gitmirror`,
	"fish": `source $SCRIPT; complete -C "$argv"`,
}

// The scripts that we print complete commands, names of what there is and values of flags, in the
// shells that they are for.
func TestShellsComplete(t *testing.T) {
	c := newCluster(t, 1)
	c.nodes[0].write(func() error {
		_, err := c.nodes[0].client.Add(t.Context(), api.AddRepo{URL: "http://127.0.0.1:1/acme/big", Name: "acme/big"}, "add")
		return err
	})
	for shell, how := range completions {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				if os.Getenv("GITMIRROR_SHELLS") != "" {
					t.Fatal(err)
				}
				t.Skipf("%s is not installed: .ci/run installs it and sets GITMIRROR_SHELLS, with which this is a failure", shell)
			}
			script := filepath.Join(t.TempDir(), "script")
			text, err := exec.Command(binary, "completion", shell).Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(script, text, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, line := range []struct{ typed, want string }{
				{"gitmirror repo sho", "show"}, {"gitmirror repo show ac", "acme/big"}, {"gitmirror node show n", "n1"}, {"gitmirror repo ls --state fail", "failing"},
				{"gitmirror repo ls -o wi", "wide"}, {"gitmirror repo show --addr " + c.nodes[0].HTTP + " ac", "acme/big"}, {"gitmirror start --log-le", "--log-level"}, {"gitmirror start --log-level wa", "warn"}, {"gitmirror repo show ", "acme/big"},
			} {
				args := []string{"-c", how}
				switch shell {
				case "bash":
					args = append([]string{"--norc"}, append(args, "bash")...)
				case "zsh":
					args = append([]string{"-f"}, append(args, "zsh")...)
				case "fish":
					args = []string{"--no-config", "-c", how}
				}
				if words := strings.Split(line.typed, " "); shell == "fish" {
					args = append(args, line.typed)
				} else {
					for _, w := range words {
						if shell == "bash" { // which parts them
							w = strings.ReplaceAll(w, ":", " : ")
						}
						args = append(args, strings.Split(w, " ")...)
					}
				}
				cmd := exec.Command(shell, args...)
				cmd.Env = append(os.Environ(), "LINE="+line.typed, "SCRIPT="+script, "GITMIRROR_ADDR="+c.nodes[0].HTTP, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
				out, err := cmd.CombinedOutput()
				if found := strings.Fields(string(out)); err != nil || !slices.Equal(found, []string{line.want}) {
					t.Errorf("%q<tab>: %v, %v, want %s", line.typed, found, err, line.want)
				}
			}
		})
	}
}
