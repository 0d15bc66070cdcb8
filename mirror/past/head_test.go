package past_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// However HEAD gets there within a day, by names that are not born, by branches that come
// and go, detached or not shown at all: another history than what it showed is held, and
// what it showed is not.
func TestHeadIsHeldHoweverItGetsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settled := []refs.Ref{{Name: "refs/heads/main", OID: oid(1)}}
		for i := range 9 {
			settled = append(settled, refs.Ref{Name: fmt.Sprint("refs/heads/other", i), OID: oid(100 + i)})
		}
		base, record := &refs.Table{Generation: 1, Head: "ref: refs/heads/main", Refs: settled}, (*past.Record)(nil)
		still := rapid.Bool().Draw(t, "no branch moves")
		var young []refs.Ref
		now := noon
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3*3600).Draw(t, "pause")) * time.Second)
			if i == 0 || !still {
				young = nil
				for _, b := range []string{"a", "b", "c"} {
					if n := rapid.IntRange(0, 3).Draw(t, b); n > 0 {
						young = append(young, refs.Ref{Name: "refs/heads/" + b, OID: oid(n)})
					}
				}
			}
			list := append(append([]refs.Ref{}, young...), settled...)
			to := rapid.SampledFrom([]refs.Head{"", "ref: refs/heads/main", "ref: refs/heads/a", "ref: refs/heads/b", "ref: refs/heads/c", refs.Head(oid(1)), refs.Head(oid(2))}).Draw(t, "HEAD")
			shown := &refs.Table{Generation: uint64(i + 2), Head: to, Refs: list}
			s := &past.Step{Base: base, Past: record, List: shown.Refs, Head: to, Changes: refs.Diff(base, shown.Refs), At: at(now)}
			for k := range s.Changes {
				if s.Changes[k].Kind == refs.Updated {
					s.Changes[k].Kind = refs.Forced
				}
			}
			v, err := s.Weigh(flat{})
			if err != nil {
				t.Fatal(err)
			}
			foreign := shown.HeadOID() != "" && shown.HeadOID() != oid(1)
			if foreign != (v.Reason == past.HeadRewrite) && (foreign || still) {
				t.Fatalf("HEAD is %q, at %s: held for %q", to, shown.HeadOID(), v.Reason)
			}
			if v.Reason == "" {
				base, record = shown, s.Next(v, func(string) bool { return false })
			}
		}
	})
}

// What HEAD showed last counts for as long as it shows nothing: what it shows next is weighed
// against that, however long it took. What happens to branches meanwhile is weighed as theirs.
func TestWhatHeadShowedIsNotForgottenWhileItShowsNothing(t *testing.T) {
	type list map[string]int
	type step struct {
		head  refs.Head
		shown list
		held  string
	}
	const none, main, evil = "", refs.Head("ref: refs/heads/main"), refs.Head("ref: refs/heads/evil")
	for name, steps := range map[string][]step{
		"main is another meanwhile":    {{evil, list{"main": 1}, ""}, {evil, list{"main": 2}, ""}, {main, list{"main": 2}, past.HeadRewrite}},
		"a foreign branch is its next": {{none, list{"main": 1}, ""}, {none, list{"main": 1, "new": 3}, ""}, {evil, list{"main": 1, "evil": 2}, past.HeadRewrite}},
		"its branch is born":           {{evil, list{"main": 1}, ""}, {evil, list{"main": 1, "evil": 2}, past.HeadRewrite}},
		"it shows the same again":      {{none, list{"main": 1}, ""}, {none, list{"main": 1, "new": 3}, ""}, {evil, list{"main": 1, "evil": 1}, ""}, {evil, list{"evil": 1}, ""}},
	} {
		now := noon
		table := func(st step) *refs.Table {
			var l []refs.Ref
			for n, o := range st.shown {
				l = append(l, refs.Ref{Name: "refs/heads/" + n, OID: oid(o)})
			}
			for i := range 9 {
				l = append(l, refs.Ref{Name: fmt.Sprint("refs/heads/other", i), OID: oid(100 + i)})
			}
			refs.Sort(l)
			return &refs.Table{Generation: 1, Head: st.head, Refs: l}
		}
		base, record := table(step{main, list{"main": 1}, ""}), (*past.Record)(nil)
		for i, st := range steps {
			now = now.Add(30 * time.Hour)
			next := table(st)
			s := &past.Step{Base: base, Past: record, List: next.Refs, Head: next.Head, Changes: refs.Diff(base, next.Refs), At: at(now)}
			for k := range s.Changes {
				if s.Changes[k].Kind == refs.Updated {
					s.Changes[k].Kind = refs.Forced
				}
			}
			v, err := s.Weigh(flat{})
			if err != nil || v.Reason != st.held {
				t.Errorf("%s, step %d: held for %q, want %q, %v", name, i, v.Reason, st.held, err)
			}
			record = s.Next(v, func(string) bool { return false })
			if record, err = past.Decode(record.Encode(), record.Digest()); err != nil {
				t.Fatal(err)
			}
			base = next
		}
	}
}
