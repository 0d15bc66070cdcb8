package refs_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"gitmirror/mirror/refs"
)

var oids = rapid.Custom(func(t *rapid.T) string {
	return fmt.Sprintf("%040x", rapid.Uint64().Draw(t, "oid"))
})

// names are lawful ref names, odd ones among them: git allows bytes that other
// tools take for white space or that are no UTF-8.
var names = rapid.Custom(func(t *rapid.T) string {
	segment := rapid.SampledFrom([]string{
		"main", "a", "b", "-d", "--upload-pack=x", "é", "e\u0301", "\u00a0", "x\u2028y", "\u0085", "\xff\xfe", "Main", "$(id)", "<script>", "v1.0", "#", "'",
	})
	parts := rapid.SliceOfN(segment, 1, 4).Draw(t, "parts")
	space := rapid.SampledFrom([]string{"refs/heads/", "refs/tags/", "refs/heads/", refs.Private + "kept/17/heads/"}).Draw(t, "space")
	return space + strings.Join(parts, "/")
})

// lists are sorted refs without conflicts, as a table holds them.
func lists(name *rapid.Generator[string]) *rapid.Generator[[]refs.Ref] {
	return rapid.Custom(func(t *rapid.T) []refs.Ref {
		var list []refs.Ref
		for _, n := range rapid.SliceOfNDistinct(name, 0, 12, rapid.ID[string]).Draw(t, "names") {
			r := refs.Ref{Name: n, OID: oids.Draw(t, "oid")}
			if rapid.Bool().Draw(t, "annotated") {
				r.Peeled = oids.Draw(t, "peeled")
			}
			if !slices.ContainsFunc(list, func(o refs.Ref) bool { return inside(o.Name, n) || inside(n, o.Name) }) {
				list = append(list, r)
			}
		}
		refs.Sort(list)
		return list
	})
}

func inside(dir, name string) bool { return strings.HasPrefix(name, dir+"/") }

var tables = rapid.Custom(func(t *rapid.T) *refs.Table {
	table := &refs.Table{
		Generation: rapid.Uint64().Draw(t, "generation"),
		Candidate:  rapid.StringMatching(`[A-Z2-7]{0,26}`).Draw(t, "candidate"),
		Refs:       lists(names).Draw(t, "refs"),
	}
	if rapid.Bool().Draw(t, "past") {
		table.Past = refs.Digest{1, 2, 3}
	}
	switch rapid.IntRange(0, 3).Draw(t, "head") {
	case 0: // absent
	case 1:
		table.Head = refs.Head(oids.Draw(t, "detached"))
	case 2:
		table.Head = refs.Symbolic("refs/heads/unborn")
	default:
		table.Head = refs.Symbolic(strings.Replace(names.Draw(t, "target"), refs.Private, "refs/heads/", 1))
	}
	return table
})
