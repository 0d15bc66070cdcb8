// Package past is what a mirror remembers of a repository's refs beside the refs
// themselves: since when each is there, where they were within the last day, and
// what the tips were that are kept. From that it judges what upstream takes away
// (Weigh), and decides which tips stay reachable (Keep).
//
// All times are the log's. The package asks git nothing itself: what it must know
// of the history it asks as Facts.
package past

import (
	"slices"
	"strings"
	"time"

	"gitmirror/mirror/refs"
)

const (
	// SettledAfter is how long a ref has to be there before its loss counts. Those of
	// the first clone count at once. It is a week and a day: bots that replace their
	// branches each week do it some minutes more than a week later.
	SettledAfter = 8 * 24 * time.Hour
	// Window is the time within which losses are added up, at least: of the tips that a
	// ref leaves within spacing only the first is remembered, and counts for so much longer.
	Window  = 24 * time.Hour
	spacing = 2 * time.Hour
)

// Record is what is remembered of one generation. It is immutable once built, and
// nil is one that remembers nothing: every ref is settled.
type Record struct {
	Young   []Young // public refs that are not settled yet, by name
	Moved   []Moved // tags that have moved, by name
	Former  []Young // settled refs that are gone: Seen is when they were last
	Tips    []Tip   // by name, then by time
	Kept    []Kept  // what the table's kept refs were, by their own name
	Dropped Dropped
}

// Young is a ref that was first seen less than SettledAfter ago.
type Young struct {
	Name string
	Seen time.Time
}

// Moved says on which days, of the Unix era, a tag was moved: the latest three.
type Moved struct {
	Name string
	Days []int64
}

// Tip is where a settled ref, or HEAD's, was within the last day, and is no more.
type Tip struct {
	Name, OID string
	Until     time.Time
	Settled   bool // false: it is remembered only because HEAD pointed to it
	Head      bool // HEAD pointed to it
	Lost      bool // when it was last looked at
	Forward   bool // the ref has only moved on along its history since
}

// Kept says what a kept ref was.
type Kept struct {
	Ref     string // its own name, below refs.Private
	Name    string // what it was the tip of
	New     string // what replaced it; empty: it was deleted, or that is not known
	At      time.Time
	Settled bool // its name was settled
	Lost    bool // it counted as a loss of a settled ref
	Stood   bool // its name was settled, and had left no other for a day
}

// Dropped counts the kept tips that went before their time, because there were too
// many.
type Dropped struct {
	Count int
	Last  time.Time
}

// Clone returns a record that may be changed without touching r, which may be nil.
func (r *Record) Clone() *Record {
	if r == nil {
		return &Record{}
	}
	return &Record{slices.Clone(r.Young), slices.Clone(r.Moved), slices.Clone(r.Former), slices.Clone(r.Tips), slices.Clone(r.Kept), r.Dropped}
}

func (r *Record) empty() bool {
	return r == nil || len(r.Young)+len(r.Moved)+len(r.Former)+len(r.Tips)+len(r.Kept)+r.Dropped.Count == 0
}

// settled tells whether the loss of a live ref of that name counts.
func (r *Record) settled(name string, at refs.LogTime) bool {
	if r == nil {
		return true
	}
	y, found := find(r.Young, name, func(y Young) string { return y.Name })
	return !found || !y.isYoung(at)
}

// isYoung goes by the date also while dates do not hold: a ref that settles too early
// is guarded too early, and that loses nothing.
func (y Young) isYoung(at refs.LogTime) bool { return at.Now.Sub(y.Seen) < SettledAfter }

// rolling tells a tag that is meant to move: it did on two earlier days.
func (r *Record) rolling(tag string, at refs.LogTime) bool {
	if r == nil {
		return false
	}
	m, _ := find(r.Moved, tag, func(m Moved) string { return m.Name })
	earlier := 0
	for _, d := range m.Days {
		if d < day(at.Now) {
			earlier++
		}
	}
	return earlier >= 2
}

func day(t time.Time) int64 { return t.Unix() / (24 * 3600) }

// tips are those of the last day.
func (r *Record) tips(at refs.LogTime) []Tip {
	if r == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Tips), func(t Tip) bool { return at.DatesHold && at.Now.Sub(t.Until) >= Window+spacing })
}

// KeptAs returns what is remembered of a kept ref, or else what its name tells.
func (r *Record) KeptAs(ref string) Kept {
	if r != nil {
		if k, ok := find(r.Kept, ref, func(k Kept) string { return k.Ref }); ok {
			return k
		}
	}
	return legacy(ref)
}

// find looks in a list that is sorted by name.
func find[T any](list []T, name string, of func(T) string) (found T, ok bool) {
	i, ok := slices.BinarySearchFunc(list, name, func(x T, n string) int { return strings.Compare(of(x), n) })
	if ok {
		found = list[i]
	}
	return found, ok
}

func isTag(name string) bool { return strings.HasPrefix(name, "refs/tags/") }
