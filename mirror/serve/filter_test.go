package serve_test

import (
	"os/exec"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// The filters of honest clients are served; others are refused in words, before git is
// started, and cast no doubt on the copy.
func TestFilters(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	before := suspected.Load()
	for filter, lawful := range map[string]bool{
		"blob:none": true, "blob:limit=0": true, "blob:limit=1k": true, "tree:0": true, "tree:3": true,
		"sparse:oid=main:a.txt": false, "combine:blob:none+tree:0": false, "object:type=commit": false, "blob:limit=": false, "tree:": false,
	} {
		for _, version := range []string{"0", "2"} {
			cmd := exec.Command("git", "-c", "protocol.version="+version, "clone", "--quiet", "--bare", "--filter="+filter, g.url, t.TempDir())
			cmd.Env = upstream.Environ(t.TempDir())
			out, err := cmd.CombinedOutput()
			if lawful && err != nil {
				t.Errorf("%s, protocol %s: %v\n%s", filter, version, err, out)
			}
			if strings.HasSuffix(filter, "=") || strings.HasSuffix(filter, ":") {
				continue // git's client refuses it itself, and who asks by hand sees it below
			}
			if !lawful && !strings.Contains(string(out), "remote error: the filter") {
				t.Errorf("%s, protocol %s: %v\n%s", filter, version, err, out)
			}
		}
		want, _ := g.upstream.Git("rev-parse", "main")
		_, _, answer := post(t, g.url, gittest.Packets("command=fetch", "0001", "want "+want, "filter "+filter, "done", "0000"), "Content-Type", request, "Git-Protocol", "version=2")
		if refused := strings.Contains(answer, "ERR the filter"); refused == lawful {
			t.Errorf("%s: %.100q", filter, answer)
		}
	}
	if n := suspected.Load(); n != before {
		t.Errorf("%d filters cast doubt on the copy", n-before)
	}
}
