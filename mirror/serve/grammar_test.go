package serve_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
)

// A request that git would not take is refused as such before git starts, or with git's
// own words, and casts no doubt on the copy, whatever else it asks for.
func TestNonsenseIsTheClientsFault(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	name := func(what string) string {
		oid, err := g.upstream.Git("rev-parse", what)
		must(t, err)
		return oid
	}
	tip, tree, strange := name("main"), name("main^{tree}"), strings.Repeat("1", 40)
	v2 := func(lines ...string) string {
		return gittest.Packets(append(append([]string{"command=fetch\n", agent, "0001", "want " + tip + "\n"}, lines...), "0000")...)
	}
	const two, nine, none = "version=2", "version=9", ""
	for _, c := range []struct {
		name, version, body string
		says                string // in the answer
		status              int
	}{
		{"another line", two, v2("nonsense"), `"nonsense"`, 400},
		{"an empty line", two, v2(""), `the line ""`, 400},
		{"what protocol 0 says", two, v2("deepen 0\n", "done\n"), "Invalid deepen", 400},
		{"deepen by nothing", two, v2("deepen", "done\n"), `"deepen"`, 400},
		{"deepen by a word", two, v2("deepen-since yesterday\n", "done\n"), `"deepen-since yesterday"`, 400},
		{"no id", two, v2("have zz\n", "done\n"), `"have zz"`, 400},
		{"half an id", two, v2("want "+tip[:20]+"\n", "done\n"), `"want ` + tip[:20], 400},
		{"no shallow id", two, v2("shallow zz\n", "done\n"), `"shallow zz"`, 400},
		{"more behind a word", two, v2("done now\n"), `"done now"`, 400},
		{"two filters", two, v2("filter blob:none\n", "filter tree:1\n", "done\n"), `"filter tree:1"`, 400},
		{"a feature that is not advertised", two, v2("want-ref refs/heads/main\n", "done\n"), `"want-ref refs/heads/main"`, 400},
		{"another, that is a word", two, v2("sideband-all\n", "done\n"), `"sideband-all"`, 400},
		{"a delimiter too many", two, v2("0001", "done\n"), "do not end with a flush", 400},
		{"no end", two, strings.TrimSuffix(v2("done\n"), "0000"), "it ends before", 400},
		{"an unknown capability", two, gittest.Packets("command=fetch", "color=red", "0001", "want "+tip, "done", "0000"), `"color=red"`, 400},
		{"two commands", two, gittest.Packets("command=fetch", "command=fetch", "0001", "want "+tip, "done", "0000"), `"command=fetch"`, 400},
		{"another command", two, gittest.Packets("command=object-info", "0001", "want "+tip, "done", "0000"), `no command "object-info"`, 400},
		{"protocol 2 under another version", nine, v2("done\n"), `"command=fetch"`, 400},
		{"protocol 2 under no version", none, v2("done\n"), `"command=fetch"`, 400},
		{"protocol 0: another line", none, gittest.Packets("want "+tip, "nonsense", "0000", "done"), `"nonsense"`, 400},
		{"protocol 0: another line behind", none, gittest.Packets("want "+tip, "0000", "nonsense", "done"), `"nonsense"`, 400},
		{"protocol 0: no end", none, gittest.Packets("want " + tip), "it ends before", 400},
		{"protocol 0: a word of protocol 2", none, gittest.Packets("want "+tip, "thin-pack", "0000", "done"), `"thin-pack"`, 400},
		{"protocol 0: two filters", none, gittest.Packets("want "+tip+" filter", "filter blob:none", "filter tree:1", "0000", "done"), `"filter tree:1"`, 400},
		// What git has to say of the request itself.
		{"another format", two, gittest.Packets("command=fetch", "object-format=sha256", "0001", "want "+tip, "done", "0000"), "mismatched object format", 400},
		{"a filter that was not agreed on", none, gittest.Packets("want "+tip, "filter blob:none", "0000", "done"), "not negotiated", 400},
		{"nothing that deep", two, v2("deepen-not refs/heads/main\n", "done\n"), "no commits selected", 400},
		{"a ref that is not there", two, v2("deepen-not refs/heads/none\n", "done\n"), "ambiguous deepen-not", 400},
		{"two depths", two, v2("deepen 1\n", "deepen-since 5\n", "done\n"), "cannot be used together", 400},
		{"shallow at a tree", two, v2("shallow "+tree+"\n", "done\n"), "invalid shallow object", 400},
		{"an unknown object besides", two, v2("want "+strange+"\n", "done\n"), "ERR upload-pack: not our ref " + strange, 200},
		{"a tip behind the end", two, gittest.Packets("command=fetch", "0001", "want "+strange, "done", "0000", "want "+tip, "0000"), "ERR upload-pack: not our ref", 200},
	} {
		before := suspected.Load()
		status, _, answer := post(t, g.url, c.body, "Content-Type", request, "Git-Protocol", c.version)
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s: %d %.200q, want %d and %q", c.name, status, answer, c.status, c.says)
		}
		if suspected.Load() != before {
			t.Errorf("%s: the copy is suspected", c.name)
		}
	}
	// All that a client may say at once.
	all := v2("want "+name("side")+"\n", "thin-pack\n", "no-progress\n", "include-tag\n", "ofs-delta\n", "shallow "+strange+"\n", "deepen 1\n", "deepen-relative\n",
		"filter blob:none\n", "wait-for-done\n", "have "+strange+"\n", "done\n")
	if status, _, answer := post(t, g.url, all, "Content-Type", request, "Git-Protocol", two); status != 200 || !strings.Contains(answer, "PACK") {
		t.Errorf("all that is lawful: %d %.200q", status, answer)
	}
}

// What a damaged copy cannot give is suspected still.
func TestADamagedCopyIsSuspected(t *testing.T) {
	g := newRig(t)
	table := g.publish(t, nil, sample)
	packs, err := filepath.Glob(filepath.Join(g.live.Dir(), "objects/pack/*.pack"))
	must(t, err)
	for _, p := range packs {
		damage(t, p)
	}
	for version, body := range map[string]string{
		"version=2": gittest.Packets("command=fetch", "0001", "want "+table.Refs[0].OID+"\n", "done\n", "0000"),
		"":          gittest.Packets("want "+table.Refs[0].OID+" side-band-64k\n", "0000", "done\n"),
	} {
		before := suspected.Load()
		if status, _, answer := post(t, g.url, body, "Content-Type", request, "Git-Protocol", version); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %.100q", version, status, answer)
		}
		if suspected.Load() != before+1 {
			t.Errorf("%s: the copy is not suspected", version)
		}
	}
}
