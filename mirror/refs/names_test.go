package refs_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gitmirror/mirror/refs"
	"gitmirror/mirror/wire"
)

var mirrored = []string{"refs/heads/", "refs/tags/"}

func advert(names ...string) *wire.Advert {
	a := &wire.Advert{}
	for i, n := range names {
		a.Refs = append(a.Refs, wire.AdvertRef{Name: n, OID: fmt.Sprintf("%040x", i+1)})
	}
	return a
}

func table(names ...string) *refs.Table {
	t := &refs.Table{Generation: 1}
	for i, n := range names {
		t.Refs = append(t.Refs, refs.Ref{Name: n, OID: fmt.Sprintf("%040x", i+1)})
	}
	refs.Sort(t.Refs)
	return t
}

func selected(a *wire.Advert, current *refs.Table) (kept []string, skipped map[string]string) {
	list, bad := refs.Select(a, mirrored, current)
	for _, r := range list {
		kept = append(kept, r.Name)
	}
	skipped = map[string]string{}
	for _, s := range bad {
		skipped[s.Name] = s.Reason
	}
	return kept, skipped
}

func TestHostileNamesAreSkippedAlone(t *testing.T) {
	bad := []string{
		"refs/heads/../../config", "refs/heads/../../hooks/post-update", "refs/heads/foo.lock", "refs/heads/foo.lock/x", "refs/heads/a..b",
		"refs/heads/a~b", "refs/heads/a^", "refs/heads/a:b", "refs/heads/a?", "refs/heads/a[", "refs/heads/a*", `refs/heads/a\b`,
		"refs/heads/dot.", "refs/heads/a@{b", "refs/heads/.hidden", "refs/heads/x/.git", "refs/heads/", "refs/heads//x", "refs/heads/x/",
		"refs/heads/a b", "refs/heads/a\tb", "refs/heads/a\x1b[31mred", "refs/heads/a\nb", "refs/heads/a\x7f", "refs/heads/a\x00b",
		"refs/heads/" + strings.Repeat("c", 201), "refs/heads/" + strings.Repeat("d/", 600) + "x",
	}
	good := []string{
		"refs/heads/-d", "refs/heads/--upload-pack=x", "refs/heads/Main", "refs/heads/main", "refs/heads/\u00e9", "refs/heads/e\u0301",
		"refs/heads/<script>", "refs/heads/$(touch", "refs/heads/;id", "refs/heads/@", "refs/heads/\u00a0", "refs/tags/v1",
	}
	other := []string{"refs/pull/1/head", "refs/merge-requests/1/head", "refs/keep-around/abc", "refs/changes/01/1/1", "refs/replace/abc", "refs/stash", "HEAD", "../x"}
	kept, skipped := selected(advert(slices.Concat(bad, other, good)...), &refs.Table{})
	slices.Sort(good)
	if d := cmp.Diff(good, kept); d != "" {
		t.Errorf("mirrored refs:\n%s", d)
	}
	for _, n := range bad {
		if skipped[n] == "" {
			t.Errorf("%q is not reported", n)
		}
	}
	for _, n := range other {
		if skipped[n] != "" {
			t.Errorf("%q is reported (%s), though nobody asked for it", n, skipped[n])
		}
	}
}

func TestPrivateNamespaceIsNeverTakenFromUpstream(t *testing.T) {
	list, skipped := refs.Select(advert("refs/gitmirror/kept/1/heads/x", "refs/heads/main"), []string{"refs/"}, &refs.Table{})
	if len(list) != 1 || list[0].Name != "refs/heads/main" || len(skipped) != 1 || skipped[0].Reason != "private namespace" {
		t.Errorf("took %v, skipped %v", list, skipped)
	}
}

func TestConflictKeepsWhatIsShown(t *testing.T) {
	for _, tc := range []struct {
		name          string
		shows, offers []string
		want          []string
	}{
		{"nothing shown: the shorter", nil, []string{"refs/heads/a/b", "refs/heads/a"}, []string{"refs/heads/a"}},
		{"the file shown", []string{"refs/heads/a"}, []string{"refs/heads/a", "refs/heads/a/b"}, []string{"refs/heads/a"}},
		{"the directory shown", []string{"refs/heads/a/b"}, []string{"refs/heads/a", "refs/heads/a/b"}, []string{"refs/heads/a/b"}},
		{"three deep, the deepest shown", []string{"refs/heads/a/b/c"}, []string{"refs/heads/a", "refs/heads/a/b", "refs/heads/a/b/c"}, []string{"refs/heads/a/b/c"}},
		{"a loser hides nobody", []string{"refs/heads/a/c"}, []string{"refs/heads/a", "refs/heads/a/b", "refs/heads/a/c"}, []string{"refs/heads/a/b", "refs/heads/a/c"}},
		{"a likely neighbour is none", nil, []string{"refs/heads/a", "refs/heads/a-b", "refs/heads/a/b", "refs/heads/ab"}, []string{"refs/heads/a", "refs/heads/a-b", "refs/heads/ab"}},
		{"the shown one has gone upstream", []string{"refs/heads/a"}, []string{"refs/heads/a/b"}, []string{"refs/heads/a/b"}},
		{"named twice", nil, []string{"refs/heads/a", "refs/heads/a"}, []string{"refs/heads/a"}},
	} {
		kept, skipped := selected(advert(tc.offers...), table(tc.shows...))
		if d := cmp.Diff(tc.want, kept); d != "" {
			t.Errorf("%s:\n%s", tc.name, d)
		}
		for _, n := range tc.offers {
			if !slices.Contains(kept, n) && !strings.HasPrefix(skipped[n], "conflicts with ") {
				t.Errorf("%s: %s is neither mirrored nor reported: %q", tc.name, n, skipped[n])
			}
		}
	}
}

// Whatever is offered: what is selected is lawful, free of conflicts, keeps
// what was shown, and leaves out only what conflicts.
func TestSelectProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current := &refs.Table{Refs: lists(names).Draw(t, "current")}
		offered := rapid.SliceOfNDistinct(names, 0, 15, rapid.ID[string]).Draw(t, "offered")
		list, skipped := refs.Select(advert(offered...), mirrored, current)
		for i, r := range list {
			if !refs.ValidName(r.Name) || !r.Public() || i > 0 && list[i-1].Name >= r.Name {
				t.Fatalf("unlawful list %v", list)
			}
			for _, o := range list {
				if inside(o.Name, r.Name) {
					t.Fatalf("%s is inside %s", r.Name, o.Name)
				}
			}
		}
		for _, s := range skipped {
			if _, shown := current.Find(s.Name); shown {
				t.Fatalf("%s was shown and is skipped: %s", s.Name, s.Reason)
			}
			if !slices.ContainsFunc(list, func(r refs.Ref) bool { return inside(r.Name, s.Name) || inside(s.Name, r.Name) }) {
				t.Fatalf("%s is skipped (%s) but conflicts with nothing that is shown", s.Name, s.Reason)
			}
		}
	})
}

func TestValidNameAgreesWithGit(t *testing.T) {
	for _, n := range []string{
		"refs/heads/a", "refs/heads/a.lock", "refs/heads/.a", "refs/heads/a.", "refs/heads/a..b", "refs/heads/@", "refs/heads/@{", "refs/heads/a/",
		"refs/heads//a", "refs/heads/a b", "refs/heads/\u00a0", "refs/heads/\xff", "refs/heads/-", "refs/heads/a\x01", "refs/heads/a.lock/b", "refs/heads/a.b/c",
	} {
		err := exec.Command("git", "check-ref-format", n).Run()
		if refs.ValidName(n) != (err == nil) {
			t.Errorf("ValidName(%q) = %v, git says %v", n, refs.ValidName(n), err)
		}
	}
}

func TestSelectHead(t *testing.T) {
	oid := strings.Repeat("a", 40)
	for _, tc := range []struct {
		ref, oid string
		want     refs.Head
	}{
		{"refs/heads/main", oid, "ref: refs/heads/main"},
		{"refs/heads/unborn", "", "ref: refs/heads/unborn"},
		{"", oid, refs.Head(oid)},
		{"", "", ""},
		{"refs/heads/../x", oid, ""},
		{"refs/tags/v1", oid, ""},
		{"HEAD", oid, ""},
		{"refs/heads/a b", "", ""},
	} {
		got, skipped := refs.SelectHead(&wire.Advert{HeadRef: tc.ref, HeadOID: tc.oid})
		if (len(skipped) > 0) != (got == "" && tc.ref != "") {
			t.Errorf("%q: skipped %v", tc.ref, skipped)
		}
		if d := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("HEAD %q %.4s:\n%s", tc.ref, tc.oid, d)
		}
	}
}
