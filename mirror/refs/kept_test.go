package refs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitmirror/mirror/refs"
)

var noon = time.Unix(1_700_000_000, 0)

func TestLostTipsAreKeptForThirtyDays(t *testing.T) {
	lost := []refs.Change{{Ref: "refs/heads/topic", Old: strings.Repeat("a", 40), Kind: refs.Deleted}}
	kept := refs.Kept(&refs.Table{}, lost, at(noon))
	want := []refs.Ref{{Name: "refs/gitmirror/kept/1700000000/heads/topic", OID: strings.Repeat("a", 40)}}
	if d := cmp.Diff(want, kept); d != "" {
		t.Fatal(d)
	}
	old := &refs.Table{Refs: append(kept, refs.Ref{Name: "refs/heads/main", OID: strings.Repeat("b", 40)})}
	if got := refs.Kept(old, nil, at(noon.Add(refs.KeepFor))); len(got) != 1 {
		t.Errorf("after exactly %s %d tips are kept, want 1", refs.KeepFor, len(got))
	}
	if got := refs.Kept(old, nil, at(noon.Add(refs.KeepFor+time.Second))); len(got) != 0 {
		t.Errorf("after more than %s still kept: %v", refs.KeepFor, got)
	}
}

func TestForeignPrivateRefsDoNotExpire(t *testing.T) {
	old := &refs.Table{}
	for _, n := range []string{"refs/gitmirror/kept/soon/heads/x", "refs/gitmirror/pins/x"} {
		old.Refs = append(old.Refs, refs.Ref{Name: n, OID: strings.Repeat("a", 40)})
	}
	if got := refs.Kept(old, nil, at(noon.Add(100*refs.KeepFor))); len(got) != 2 {
		t.Errorf("kept %v, want both", got)
	}
}

// One ref is rewritten again and again within a second, and one has a name at
// the bound: every tip has a name of its own.
func TestNoKeptTipReplacesAnother(t *testing.T) {
	long := "refs/heads/" + strings.TrimSuffix(strings.Repeat(strings.Repeat("n", 199)+"/", 5), "/")
	if !refs.ValidName(long) {
		t.Fatalf("%d bytes should be lawful", len(long))
	}
	table := &refs.Table{}
	want := map[string]bool{}
	for i := range 4 {
		var lost []refs.Change
		for k, ref := range []string{"refs/heads/topic", long} {
			oid := fmt.Sprintf("%039x%d", i, k)
			want[oid] = true
			lost = append(lost, refs.Change{Ref: ref, Old: oid, Kind: refs.Forced})
		}
		table = &refs.Table{Refs: refs.Kept(table, lost, at(noon))}
	}
	got := map[string]bool{}
	for i, r := range table.Refs {
		got[r.OID] = true
		if !refs.ValidName(r.Name) || r.Public() || i > 0 && table.Refs[i-1].Name >= r.Name {
			t.Errorf("unlawful kept ref %q", r.Name)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("kept tips:\n%s", d)
	}
	if _, err := refs.Decode(table.Encode()); err != nil {
		t.Error(err)
	}
}

func TestKeptProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old := tables.Draw(t, "old")
		var lost []refs.Change
		for _, r := range old.Refs {
			if r.Public() && rapid.Bool().Draw(t, "lost") {
				lost = append(lost, refs.Change{Ref: r.Name, Old: r.OID, Kind: refs.Deleted})
			}
		}
		kept := refs.Kept(old, lost, at(noon))
		have := map[string]bool{}
		for _, r := range kept {
			have[r.OID] = true
		}
		for _, c := range lost {
			if !have[c.Old] {
				t.Fatalf("the tip of %s is lost", c.Ref)
			}
		}
	})
}

func at(t time.Time) refs.LogTime { return refs.LogTime{Now: t, DatesHold: true} }

// A clock that is 31 days ahead expires nothing while the log's dates do not hold.
func TestAWrongClockExpiresNothing(t *testing.T) {
	lost := []refs.Change{{Ref: "refs/heads/topic", Old: strings.Repeat("a", 40), Kind: refs.Deleted}}
	old := &refs.Table{Refs: refs.Kept(&refs.Table{}, lost, at(noon))}
	if got := refs.Kept(old, nil, refs.LogTime{Now: noon.Add(31 * 24 * time.Hour)}); len(got) != 1 {
		t.Errorf("%d kept refs are left, want the one", len(got))
	}
	if got := refs.Kept(old, nil, at(noon.Add(31*24*time.Hour))); len(got) != 0 {
		t.Errorf("%d kept refs are left after 31 days", len(got))
	}
}
