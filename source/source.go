// Package source says what a source of repositories wants: a listing of entries, what is wrong
// with it, and what it changes of what was listed before. Where a listing comes from, an index
// repository or a forge, is in the packages below; what becomes of it is decided by the table.
//
// It is arithmetic: nothing here reads, asks or waits.
package source

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crypto/sha256"

	"gitmirror/internal/asciifold"
	"gitmirror/internal/giturl"
)

// Entry is one repository as a source wants it.
type Entry struct {
	// Path names it within its source, from listing to listing. Behind the source's namespace it
	// is what the mirror is called.
	Path string
	Name string   // what the mirror is called behind the namespace; empty: as its path
	File string   // where it is said
	Line int      // of File, from 1; 0 where there is none to tell
	URLs []string // in canonical spelling, at least one: each is asked where those before it fail
	Keys []string // one for each url, equal for equal upstreams
	Asks Asks
	// Extra is a JSON object of what else is said of it, which means nothing here; empty for nothing.
	Extra string
}

// Asks is how a source wants a repository mirrored. What is zero it says nothing of.
type Asks struct {
	Replicas    int
	Interval    *time.Duration // 0: learned
	RefPrefixes []string
	Labels      map[string]string
	Submodules  bool // what its .gitmodules names is wanted too
}

// Flaw is something that a listing has and that cannot be followed.
type Flaw struct {
	File string
	Line int // from 1; 0 for the whole file
	Why  string
	Try  string // may be empty
}

// String is the flaw as compilers tell of theirs.
func (f Flaw) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Why)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Why)
}

// Listing is all that a source wants.
type Listing struct {
	Entries []Entry // by path; no two paths are equal, even where case is not told apart
	Flaws   []Flaw  // by file and line
	// Unknown are files of which not all could be understood, and, with a slash at the end,
	// folders: nothing is taken away that came from there.
	Unknown []string
	// UnknownPaths are of entries that cannot be followed as they are now: what they were is not taken
	// away either. Sort sorts them.
	UnknownPaths []string
	// Aside are entries of which nothing is taken up now, though they could be understood: what they are under another
	// path is not taken away either.
	Aside []Entry
	// Numbered tells that paths are what a forge knows its repositories by, which addresses are not.
	Numbered bool
}

// doubtsPath tells whether an entry is there, and cannot be followed.
func (l *Listing) doubtsPath(path string) bool {
	_, found := slices.BinarySearch(l.UnknownPaths, path)
	return found
}

// Doubts tells whether what came from a file may still be wanted although the listing does not
// have it. Unknown must be sorted.
func (l *Listing) Doubts(file string) bool {
	for at := 0; at <= len(file); at++ {
		if at == len(file) || file[at] == '/' {
			part := file[:min(at+1, len(file))]
			if _, found := slices.BinarySearch(l.Unknown, part); found {
				return true
			}
		}
	}
	_, all := slices.BinarySearch(l.Unknown, "/")
	return all
}

// Hash names what an entry says, and the file that says it. What it depends on is set: an entry
// that is listed again with the same hash changes nothing.
type Hash [16]byte

// Hash is over all of the entry but its path, by which it is found, and its line.
func (e *Entry) Hash() Hash {
	var b []byte
	text := func(list ...string) {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	text(e.File, e.Extra)
	text(e.URLs...)
	text(e.Asks.RefPrefixes...)
	for _, key := range slices.Sorted(maps.Keys(e.Asks.Labels)) {
		text(key, e.Asks.Labels[key])
	}
	text()
	b = binary.AppendUvarint(b, uint64(e.Asks.Replicas))
	if e.Asks.Interval != nil {
		b = binary.AppendVarint(append(b, 1), int64(*e.Asks.Interval))
	} else {
		b = append(b, 0)
	}
	if e.Asks.Submodules {
		b = append(b, 1)
	}
	if e.Name != "" {
		b = append(b, 2)
		text(e.Name)
	}
	sum := sha256.Sum256(b)
	return Hash(sum[:len(Hash{})])
}

// Sort orders a listing as its fields promise. Of entries with equal paths the first by file and
// line stays; each other one is a flaw, and what its file had before stays, unless that says the same once more.
func (l *Listing) Sort() {
	order := func(a, b Entry) int {
		if c := asciifold.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	}
	if !slices.IsSortedFunc(l.Entries, order) { // which they mostly are, and a stable sort takes its time
		slices.SortStableFunc(l.Entries, order)
	}
	kept := l.Entries[:0]
	for _, e := range l.Entries {
		if n := len(kept); n > 0 && asciifold.Compare(kept[n-1].Path, e.Path) == 0 {
			first := kept[n-1]
			if e.File == first.File && e.Path == first.Path && e.Hash() == first.Hash() { // all of it is there
				l.Flaws = append(l.Flaws, Flaw{File: e.File, Line: e.Line, Why: fmt.Sprintf("%s is in %s already, and says the same", e.Path, place(first.File, first.Line)), Try: "leave one of them out"})
				continue
			}
			why := fmt.Sprintf("%s is in %s already", e.Path, place(first.File, first.Line))
			if e.File != first.File && giturl.NormalName(e.File) == giturl.NormalName(first.File) { // who reads it sees no difference
				why += fmt.Sprintf(": one is written %+q, the other %+q", e.File, first.File)
			}
			try := "give one of them another name"
			if strings.HasSuffix(e.File, ".txt") { // whose lines have none of their own
				try = "leave one of them out, or put it into a .yaml file, with a name"
			}
			l.Flaws = append(l.Flaws, Flaw{File: e.File, Line: e.Line, Why: why, Try: try})
			l.Unknown = append(l.Unknown, e.File)
			continue
		}
		kept = append(kept, e)
	}
	clear(l.Entries[len(kept):])
	l.Entries = kept
	slices.SortFunc(l.Entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	l.SortFlaws()
	slices.Sort(l.Unknown)
	l.Unknown = slices.Compact(l.Unknown)
	slices.Sort(l.UnknownPaths)
}

// SortFlaws orders them alone.
func (l *Listing) SortFlaws() {
	slices.SortStableFunc(l.Flaws, func(a, b Flaw) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// doubtsOf is Doubts of a file by itself: where all of a listing is in doubt, what it has is there all the same.
func (l *Listing) doubtsOf(file string) bool {
	_, all := slices.BinarySearch(l.Unknown, "/")
	return !all && l.Doubts(file)
}

func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}
