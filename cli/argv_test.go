package cli

import (
	"strings"
	"testing"
)

// What a command line says twice, it says alike: the last would win, and nobody be told.
func TestContradictionsAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"repo add http://h/a --replicas 3 --replicas 2":      "--replicas has one value, and is given two: 3 and 2",
		"repo add http://h/a --interval auto --interval=5s":  "--interval has one value, and is given two: auto and 5s",
		"repo ls -o wide --output table":                     "--output has one value, and is given two: wide and table",
		"repo rm a --yes --yes=false":                        "--yes has one value, and is given two: true and false",
		"repo add http://h/a --label a=b --label a=c":        "--label says two things of a: a=b and a=c",
		"repo set a --label a=b,a=c":                         "--label says two things of a: a=b and a=c",
		"repo set a --label a=b --label a-":                  "--label says two things of a: a=b and a-",
		"config show --hosts a=1/s --hosts a=2/s":            "--hosts says two things of a: a=1/s and a=2/s",
		"start --name n1 --name n2":                          "--name has one value, and is given two: n1 and n2",
		"status --timeout 5s --timeout 6s --addr http://h:1": "--timeout has one value, and is given two: 5s and 6s",
		"repo set a --alias none,b":                          "--alias none,b: none stands alone",
		"repo set a --accept-flaws badEmail,none":            "--accept-flaws badEmail,none: none stands alone",
	} {
		contains(t, line, run(t, strings.Fields(line)...).want(t, exitUsage).err, "Error: "+want, "\nTry:   gitmirror ")
	}
	app := program{}.app()
	for _, line := range []string{"repo add u --replicas 3 --replicas 3", "repo set a --label a=b --label a=b --label c=d --label e-", "repo set a --url u --url v", "status --addr a --addr b", "repo rm a --yes -y"} {
		if _, err := arrange(app, append([]string{"gitmirror"}, strings.Fields(line)...)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
