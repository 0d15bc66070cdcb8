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
		"repo set a --max-size 1GiB --max-size 1GB":          "--max-size has one value, and is given two: 1GiB and 1GB",
		"repo set a --interval 60s --interval 60":            "--interval has one value, and is given two: 60s and 60",
		"repo set a --name 1k --name 1000":                   "--name has one value, and is given two: 1k and 1000",
		"repo set a --alias none,b":                          "--alias none,b: none stands alone",
		"repo set a --accept-flaws badEmail,none":            "--accept-flaws badEmail,none: none stands alone",
	} {
		contains(t, line, run(t, strings.Fields(line)...).want(t, exitUsage).err, "Error: "+want, "\nTry:   gitmirror ")
	}
	app := program{}.app()
	for _, line := range []string{"repo add u --replicas 3 --replicas 3", "repo set a --label a=b --label a=b --label c=d --label e-", "repo set a --url u --url v", "status --addr a --addr b", "repo rm a --yes -y", "repo set a --interval 60s --interval 1m", "repo add u --interval auto --interval Auto",
		"status --timeout 90s --timeout 1m30s", "repo set a --max-size 1GiB --max-size 1024MiB", "start --git-memory 2GiB --git-memory 2048MiB", "repo rm a --yes --yes=1", "start --min-free 10 --min-free 10.0"} {
		if _, err := arrange(app, append([]string{"gitmirror"}, strings.Fields(line)...)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
