package fsm

import (
	"bytes"
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/btree"

	"gitmirror/fsm/command"
)

// records takes a snapshot apart, and rewrite makes one of records again, whose checksum is
// right.
func records(t *testing.T, data []byte) (list [][]byte) {
	r := newRecordReader(bytes.NewReader(data))
	if _, err := r.header(); err != nil {
		t.Fatal(err)
	}
	for {
		record, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, bytes.Clone(record))
		if record[0] == 7<<3|2 {
			return list
		}
	}
}

func rewrite(t *testing.T, index uint64, list [][]byte) []byte {
	var b bytes.Buffer
	w := newRecordWriter(&b)
	w.header(index)
	for _, w.buf = range list {
		w.record()
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A snapshot whose checksum is right may still be of no table.
func TestRestoreRefusesRowsThatCannotBe(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one"), newRepo("two")))
	good := records(t, m.snapshot())
	first := slices.IndexFunc(good, isRow)
	row := m.repo("two")
	edited := func(edit func(*Repo)) []byte {
		next := row.edit()
		edit(next)
		return appendRepo(nil, next, 1)
	}
	for want, edit := range map[string]func(list [][]byte) [][]byte{
		`one" after "host/Acme/two"`: func(list [][]byte) [][]byte { list[first], list[first+1] = list[first+1], list[first]; return list },
		`two" after "host/Acme/two"`: func(list [][]byte) [][]byte { return slices.Insert(list, first+1, list[first+1]) },
		`two repos with the id "one"`: func(list [][]byte) [][]byte {
			list[first+1] = edited(func(r *Repo) { r.ID = "one" })
			return list
		},
		"1 repos, the end says 2": func(list [][]byte) [][]byte { return slices.Delete(list, first, first+1) },
		"digest":                  func(list [][]byte) [][]byte { list[first+1] = edited(func(r *Repo) { r.Epoch++ }); return list },
		"node 9": func(list [][]byte) [][]byte {
			list[first+1] = edited(func(r *Repo) { r.Copies[len(r.Copies)-1].Node = 9 })
			return list
		},
		"on node 1": func(list [][]byte) [][]byte {
			list[first+1] = edited(func(r *Repo) { slices.Reverse(r.Copies) })
			return list
		},
		"without a state": func(list [][]byte) [][]byte {
			list[first+1] = edited(func(r *Repo) { r.Copies[0].State = 0 })
			return list
		},
		"policy": func(list [][]byte) [][]byte { list[first+1] = appendRepo(nil, row, 2); return list },
		"bytes":  func(list [][]byte) [][]byte { list[first] = append(list[first], 0); return list },
		"kind":   func(list [][]byte) [][]byte { return slices.Insert(list, first, []byte{}) },
	} {
		err := New().Restore(bytes.NewReader(rewrite(t, m.index, edit(slices.Clone(good)))))
		if !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if err := New().Restore(bytes.NewReader(rewrite(t, m.index, good))); err != nil {
		t.Error(err)
	}
}

// Many rows, so that trees have some depth, are found after a restore as they were before.
func TestManyRowsAreFoundAfterARestore(t *testing.T) {
	const n = 20_000
	m := cluster(t)
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for batch := range slices.Chunk(order, MaxItems) {
		add := &command.AddRepos{}
		for _, i := range batch {
			add.Repos = append(add.Repos, minimal(i))
		}
		m.ok(add)
	}
	other := newMachine(t)
	if err := other.state.Restore(bytes.NewReader(m.snapshot())); err != nil {
		t.Fatal(err)
	}
	before, after := m.state.View(), other.state.View()
	if before.Digest() != after.Digest() || after.Len() != n || after.Holding(1) != before.Holding(1) {
		t.Fatalf("%d rows of %d, digest %s, was %s", after.Len(), n, after.Digest(), before.Digest())
	}
	listed := func(v *View) (ids []string) {
		v.Repos("", func(r *Repo) bool { ids = append(ids, r.ID); return true })
		v.HeldBy(1, func(r *Repo) bool { ids = append(ids, r.ID); return true })
		return ids
	}
	if !slices.Equal(listed(before), listed(after)) {
		t.Error("rows are listed in another order")
	}
	for i := range n {
		want := minimal(i)
		if r := after.Repo(want.Id); r == nil || r != after.RepoByName(want.Name) {
			t.Fatalf("%s is not found", want.Name)
		}
	}
}

// Trees that are filled have what was put into them, and their nodes are full.
func TestFilledTreesAreFull(t *testing.T) {
	for _, n := range []int{0, 1, 2, 31, 32, 63, 64, 65, 127, 1000, 100_000} {
		tree := btree.NewBTreeGOptions(cmp.Less[int], unlocked)
		var items []int
		f := filler[int]{tree: tree}
		for i := range n {
			items = append(items, i)
			f.add(i)
		}
		f.finish()
		if got := tree.Items(); !slices.Equal(got, items) {
			t.Fatalf("%d items, want %d", len(got), n)
		}
		leaves := 0
		tree.Walk(func(items []int) bool {
			if len(items) > 1 {
				leaves++
			}
			return true
		})
		if n > 1000 && n/leaves < 60 {
			t.Errorf("%d items in a leaf", n/leaves)
		}
	}
}
