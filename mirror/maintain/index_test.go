package maintain

import (
	"slices"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// What git made is compared with what it was to be made of, id by id.
func TestWithin(t *testing.T) {
	table := func(digits ...string) []byte {
		var oids []string
		for _, d := range digits {
			oids = append(oids, d+"00000000000000000000000000000000000000")
		}
		ids, err := tableOf(oids)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	all := [][]byte{table("01", "7f", "ff"), table("02", "a0")}
	for _, c := range []struct {
		some []byte
		want bool
	}{
		{nil, true}, {table("01"), true}, {table("ff", "01", "7f"), true}, {table("02", "7f", "a0"), true},
		{table("00"), false}, {table("01", "03"), false}, {table("fe", "ff"), false}, {table("a1"), false},
	} {
		if got := within(c.some, all); got != c.want {
			t.Errorf("%x is within: %v", c.some, got)
		}
	}
	if within(table("01"), nil) {
		t.Error("something is within nothing")
	}
}

// The index is read as git reads it.
func TestIndexes(t *testing.T) {
	g := newRig(t)
	g.push("main", 10)
	g.edit(func(e *upstream.Edit) { e.Tag("v1", "main", "one") })
	g.generation()
	packs, err := g.copy.Packs()
	if err != nil || len(packs) != 2 {
		t.Fatal(packs, err)
	}
	n := 0
	for _, p := range packs {
		count, err := g.cfg.Objects.Count(g.copy.Dir(), p.Name)
		if err != nil {
			t.Fatal(err)
		}
		n += count
		if table, err := ids(nil, g.copy.Dir(), p.Name); err != nil || len(table) != count*idBytes {
			t.Errorf("%d bytes of %d ids, %v", len(table), count, err)
		}
	}
	if n != 4 {
		t.Errorf("%d objects in two packs, want commit, tree, blob and tag", n)
	}
	if names, err := g.cfg.Objects.Mapped(g.copy.Dir()); names != nil || err != nil {
		t.Errorf("%v, %v without a multi-pack-index", names, err)
	}
	gittest.Run(t, g.copy.Dir(), "-c", "safe.directory=*", "multi-pack-index", "write")
	names, err := g.cfg.Objects.Mapped(g.copy.Dir())
	if err != nil || !slices.Equal(names, []string{packs[0].Name, packs[1].Name}) {
		t.Errorf("%v, %v, want %v", names, err, packs)
	}
}
