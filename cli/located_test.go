package cli

import (
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// Commands in an advice ask where this one has asked, also those that stand in prose.
func TestAdviceAsksWhereWasAsked(t *testing.T) {
	s := &session{addrs: []string{"http://h:1"}, data: "d x"}
	const where = " --addr http://h:1 --data 'd x'"
	for advice, want := range map[string]string{
		"gitmirror status":        "gitmirror status@",
		"gitmirror repo show a/b": "gitmirror repo show a/b@",
		"gitmirror repo show a/b      it is tried again by itself\ngitmirror repo rm a/b c/d --yes":        "gitmirror repo show a/b@      it is tried again by itself\ngitmirror repo rm a/b c/d --yes@",
		"a new leader is elected within seconds: gitmirror status":                                         "a new leader is elected within seconds: gitmirror status@",
		"gitmirror repo show NAME says when upstream was checked; try again":                               "gitmirror repo show NAME@ says when upstream was checked; try again",
		"gitmirror node ls shows who votes, and is up":                                                     "gitmirror node ls@ shows who votes, and is up",
		"bring it back; or: gitmirror node rm NAME --accept-loss, which loses it, then gitmirror node ls.": "bring it back; or: gitmirror node rm NAME --accept-loss@, which loses it, then gitmirror node ls@.",
		"gitmirror repo set NAME --replicas 1":                                                             "gitmirror repo set NAME --replicas 1@",
		"gitmirror repo show 'a b'":                                                                        "gitmirror repo show 'a b'@",
		"gitmirror status --addr http://HOST:7654     a node":                                              "gitmirror status --addr http://HOST:7654     a node",
		"wait until `gitmirror node show n3` says down":                                                    "wait until `gitmirror node show n3@` says down",
		"gitmirror repo add --help":                                                                        "gitmirror repo add --help",
		"gitmirror start; use the gitmirror command, or gitmirror":                                         "gitmirror start; use the gitmirror command, or gitmirror",
		"gitmirror cluster recover":                                                                        "gitmirror cluster recover",
		"see the errors above":                                                                             "see the errors above",
	} {
		if got := s.located(advice); got != strings.ReplaceAll(want, "@", where) {
			t.Errorf("%q becomes\n%q, want\n%q", advice, got, strings.ReplaceAll(want, "@", where))
		}
	}
	if got := (&session{}).located("gitmirror status"); got != "gitmirror status" {
		t.Errorf("%q", got)
	}
	for _, m := range refusal.Meanings {
		got := s.located(m.Hint)
		if n := strings.Count(m.Hint, ": gitmirror "); n > 0 && !strings.Contains(got, where) && !strings.Contains(m.Hint, "--data ") {
			t.Errorf("%s: %q", m.Code, got)
		}
	}
}

// Of several things, each error has such an advice too.
func TestAdviceOfOneOfSeveral(t *testing.T) {
	f := fakeNode(t, func(int, request) any {
		return &api.Problem{Status: 404, Code: "not_found", Detail: "no", Hint: "look: gitmirror repo ls"}
	})
	t.Setenv(addrEnv, "")
	r := run(t, "repo", "verify", "a", "b", "--addr", f.URL)
	if n := strings.Count(r.err, "look: gitmirror repo ls --addr "+f.URL+"\n"); n != 3 { // of each, and of all
		t.Errorf("it says\n%s", r.err)
	}
}
