package refs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gitmirror/mirror/refs"
)

// digestOf is the digest as it is written down, computed another way.
func digestOf(table *refs.Table, private bool) string {
	lines := ""
	if table.Head != "" {
		lines = fmt.Sprintf("%s HEAD\n", table.Head)
	}
	for _, r := range table.Refs {
		if private || !strings.HasPrefix(r.Name, "refs/gitmirror/") {
			lines += fmt.Sprintf("%s %s\n", r.OID, r.Name)
		}
	}
	if private && !table.Past.IsZero() {
		lines += table.Past.String() + " past\n"
	}
	sum := sha256.Sum256([]byte(lines))
	return hex.EncodeToString(sum[:20])
}

func TestDigestIsAsWrittenDown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tables.Draw(t, "table")
		if got, want := table.Digest().String(), digestOf(table, true); got != want {
			t.Fatalf("digest %s, want %s", got, want)
		}
		if got, want := table.PublicDigest().String(), digestOf(table, false); got != want {
			t.Fatalf("public digest %s, want %s", got, want)
		}
		if d, ok := refs.ParseDigest(table.Digest().String()); !ok || d != table.Digest() {
			t.Fatal("the digest's hex form does not parse to itself")
		}
		bare := &refs.Table{Head: table.Head, Refs: slices.Clone(table.Refs), Past: table.Past}
		for i := range bare.Refs {
			bare.Refs[i].Peeled = ""
		}
		if bare.Digest() != table.Digest() {
			t.Fatal("what a tag leads to, generation or candidate changes the digest")
		}
	})
}

func TestDigestSeesEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := tables.Draw(t, "a"), tables.Draw(t, "b")
		same := a.Head == b.Head && a.Past == b.Past && cmp.Equal(a.Refs, b.Refs, cmpopts.IgnoreFields(refs.Ref{}, "Peeled"), cmpopts.EquateEmpty())
		if (a.Digest() == b.Digest()) != same {
			t.Fatalf("same content: %v, same digest: %v", same, !same)
		}
	})
}

func TestFindAndHeadOID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tables.Draw(t, "table")
		for _, r := range table.Refs {
			if got, ok := table.Find(r.Name); !ok || got != r {
				t.Fatalf("Find(%q) = %v, %v", r.Name, got, ok)
			}
		}
		if _, ok := table.Find("refs/heads/never/there/at/all"); ok {
			t.Fatal("found what is not there")
		}
		want := string(table.Head)
		if target := table.Head.Target(); target != "" {
			r, _ := table.Find(target)
			want = r.OID
		}
		if got := table.HeadOID(); got != want {
			t.Fatalf("HeadOID %q, want %q", got, want)
		}
	})
}

// apply does what a list of changes says to the public refs.
func apply(t *rapid.T, old *refs.Table, changes []refs.Change) map[string]string {
	have := map[string]string{}
	for _, r := range old.Refs {
		if r.Public() {
			have[r.Name] = r.OID
		}
	}
	for _, c := range changes {
		if have[c.Ref] != c.Old {
			t.Fatalf("%+v, but %s was at %q", c, c.Ref, have[c.Ref])
		}
		switch {
		case c.Kind == refs.Created && c.Old == "" && c.New != "", c.Kind == refs.Updated && c.Old != c.New && c.Old != "" && c.New != "":
			have[c.Ref] = c.New
		case c.Kind == refs.Deleted && c.Old != "" && c.New == "":
			delete(have, c.Ref)
		default:
			t.Fatalf("contradictory change %+v", c)
		}
	}
	return have
}

func TestDiffLeadsFromOldToNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old := tables.Draw(t, "old")
		list := slices.DeleteFunc(lists(names).Draw(t, "new"), func(r refs.Ref) bool { return !r.Public() })
		for i := range list { // some stay where they were
			if r, ok := old.Find(list[i].Name); ok && rapid.Bool().Draw(t, "stays") {
				list[i].OID = r.OID
			}
		}
		want := map[string]string{}
		for _, r := range list {
			want[r.Name] = r.OID
		}
		changes := refs.Diff(old, list)
		if d := cmp.Diff(want, apply(t, old, changes)); d != "" {
			t.Fatalf("applying the difference does not give the new list:\n%s", d)
		}
		if !slices.IsSortedFunc(changes, func(a, b refs.Change) int { return strings.Compare(a.Ref, b.Ref) }) {
			t.Fatal("changes are out of order")
		}
	})
}
