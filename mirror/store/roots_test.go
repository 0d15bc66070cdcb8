package store_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/disk"
	"gitmirror/internal/testlog"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// timed opens a store whose clock is the test's.
func timed(t *testing.T, root string, c clock.Clock, d *disk.Disk) *store.Repo {
	t.Helper()
	s, err := store.Open(store.Config{Dir: root, StartID: "run", Clock: c, Disk: d, Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	return ensure(t, s)
}

// at is a generation whose branch is at the object that a digit makes.
func at(n uint64, digit string) *refs.Table {
	return &refs.Table{Generation: n, Candidate: "CANDIDATE" + digit, Head: refs.Symbolic("refs/heads/main"), Refs: []refs.Ref{{Name: "refs/heads/main", OID: strings.Repeat(digit, 40)}}}
}

// needs wants just these tips to stay.
func needs(t *testing.T, r *store.Repo, digits string) {
	t.Helper()
	roots, err := r.Roots()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, oid := range roots.All() {
		got.WriteString(oid[:1])
	}
	if got.String() != digits {
		t.Errorf("what must stay is %s, want %s", got.String(), digits)
	}
}

// A tip is left when the live table is another, however long that one was waited for, by whatever
// run; what a candidate would have left that was overtaken is not.
func TestATipIsLeftWhenTheLiveTableIsAnother(t *testing.T) {
	root, c := t.TempDir(), clock.NewManual(epoch)
	r := timed(t, root, c, nil)
	prepare(t, r, at(1, "1"))
	activate(t, r, at(1, "1"))
	prepare(t, r, at(2, "2"))
	needs(t, r, "12")
	c.Advance(20 * time.Hour)
	r = timed(t, root, c, nil)
	activate(t, r, at(2, "2"))
	c.Advance(store.LeftFor - time.Minute)
	r = timed(t, root, c, nil)
	needs(t, r, "12")
	activate(t, r, at(2, "2")) // once more leaves nothing
	c.Advance(time.Minute)
	needs(t, r, "2")

	prepare(t, r, at(3, "3"))
	prepare(t, r, at(3, "4"))
	if ok, err := r.Activate(3, at(3, "3").Digest()); ok || err != nil {
		t.Fatal(ok, err)
	}
	if got := files(t, r.Dir()); !slices.Contains(got, "tips.left") {
		t.Fatalf("%v", got)
	}
	needs(t, r, "24")
	if err := r.Discard(); err != nil {
		t.Fatal(err)
	}
	needs(t, r, "2")
	prepare(t, r, at(3, "5"))
	activate(t, r, at(3, "5"))
	needs(t, r, "25")
}

// told is a clock that says when it is looked at.
type told struct {
	clock.Clock
	looked func()
}

func (c told) Now() time.Time {
	c.looked()
	return c.Clock.Now()
}

// What is activated while it is read what must stay is missed nowhere, nor what it takes the
// place of: before a file is read or after.
func TestRootsMissNothingThatChangesMeanwhile(t *testing.T) {
	for when := 1; ; when++ {
		var now func()
		step := func() {
			if do := now; do != nil {
				do()
			}
		}
		r := timed(t, t.TempDir(), told{clock.NewManual(epoch), step}, disk.New(func(op disk.Op) error {
			if filepath.Base(op.Path) != "packed-refs" { // it is locked then
				step()
			}
			return nil
		}))
		prepare(t, r, at(1, "1"))
		activate(t, r, at(1, "1"))
		prepare(t, r, at(2, "2"))
		steps := 0
		now = func() {
			if steps++; steps == when {
				now = nil
				activate(t, r, at(2, "2"))
			}
		}
		needs(t, r, "12")
		if now != nil {
			if when != 4 {
				t.Errorf("it happened at %d places, want three", when-1)
			}
			break
		}
	}
}
