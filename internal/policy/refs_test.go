package policy_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

func TestPrefixesOfRefs(t *testing.T) {
	for _, good := range []string{"refs/", "refs/heads/", "refs/heads", "refs/heads/main", "refs/changes/01/", "refs/heads/v1.", "refs/heads/v1./x", "refs/heads/a.lock", "refs/heads/ä", "refs/@", "refs/gitmirror"} {
		if err := policy.AdmitPrefixes([]string{"refs/tags/", good}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
		// git agrees: some ref begins with it.
		if err := exec.Command("git", "check-ref-format", good+"x/y").Run(); err != nil {
			t.Errorf("git says of %q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "heads/", "/refs/heads/", "refs/heads/*", "refs/*", "refs/heads/?", "refs/heads/[a-z]", "refs/heads/..", "refs/a..b", "refs//heads", "refs/heads/.", "refs/.x/",
		"refs/heads/x.lock/", "refs/heads/a b", "refs/heads/\n", "refs/heads/\x7f", "refs/a~", "refs/a^", "refs/a:b", `refs/a\`, "refs/@{", "refs/gitmirror/kept/", "refs/" + strings.Repeat("x", 512)} {
		if err := policy.AdmitPrefixes([]string{"refs/tags/", bad}); !errors.Is(err, refusal.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := policy.AdmitPrefixes(make([]string, 65)); err == nil {
		t.Error("65 of them")
	}
	err := policy.AdmitPrefixes([]string{"refs/heads/*"})
	if r := refusal.Of(err); r == nil || r.Hint != "write refs/heads/ for all that is below it" {
		t.Errorf("%v, %+v", err, r)
	}
}
