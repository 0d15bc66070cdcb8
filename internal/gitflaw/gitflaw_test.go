package gitflaw_test

import (
	"slices"
	"strings"
	"testing"

	"gitmirror/internal/gitflaw"
)

func TestSpelled(t *testing.T) {
	got, err := gitflaw.Spelled([]string{"hasdotgit", "BADEMAIL", "hasDotgit"})
	if err != nil || !slices.Equal(got, []string{"badEmail", "hasDotgit"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "hasDotgit,badEmail", "badTree", "none", strings.Repeat("x", 1000)} {
		if got, err := gitflaw.Spelled([]string{"badEmail", bad}); err == nil || got != nil || len(err.Error()) > 200 {
			t.Errorf("%.20q: %q, %v", bad, got, err)
		}
	}
	if _, err := gitflaw.Spelled([]string{"baddate"}); err == nil || !strings.Contains(err.Error(), "everywhere") {
		t.Errorf("a cosmetic one: %v", err)
	}
}

func TestListsAreApart(t *testing.T) {
	all := slices.Concat(gitflaw.Cosmetic, gitflaw.Acceptable)
	slices.Sort(all)
	if once := slices.Compact(slices.Clone(all)); len(once) != len(all) {
		t.Error("a flaw is there twice")
	}
}

func TestReported(t *testing.T) {
	oid := strings.Repeat("a1", 20)
	for text, want := range map[string][]string{
		"error: object " + oid + ": hasDotgit: contains '.git'; error: object " + oid + ": badTree: x": {"hasDotgit"},
		"error: object " + oid + ": badEmail: x; object " + oid + ": badEmail: x":                      {"badEmail"},
		"error: object " + oid + ": --upload-pack: x":                                                  nil,
		"hasDotgit: contains '.git'":                                                                   nil,
	} {
		if got := gitflaw.Reported(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
