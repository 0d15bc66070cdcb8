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
