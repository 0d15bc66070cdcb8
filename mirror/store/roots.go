package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/internal/atomicfile"
	"gitmirror/mirror/refs"
)

// leftFile has the tips that the live table has left, a line for each: unix seconds and the
// object. A client that was shown them may still ask for them.
const leftFile = "tips.left"

const (
	// LeftFor is how long a tip counts that the live table has left.
	LeftFor = 24 * time.Hour
	// mostLeft is how many of them are remembered, the latest.
	mostLeft = 100_000
)

// Roots are the tips of what must stay readable: all that they lead to stays.
type Roots struct {
	Live   *refs.Table
	Others []string // of the candidate, of tables that were set aside, and what was left within LeftFor
}

// All are the tips themselves.
func (t *Roots) All() []string {
	ids := append(t.Tips(), t.Others...)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Tips are those of the live table.
func (t *Roots) Tips() []string { return tipsOf(t.Live) }

func tipsOf(t *refs.Table) []string { return refs.Tips(t.Refs, refs.Head(t.HeadOID())) }

// Roots reads what must stay. An error says that this is not known, so that nothing may go.
func (r *Repo) Roots() (roots *Roots, err error) {
	roots = &Roots{}
	// Whatever is activated or set aside meanwhile is seen in one place or the other: a table is
	// read before what it may have become, and one that is live before what is noted of it as
	// another takes its place.
	candidate, err := r.CandidateTable()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the candidate: %w", err)
	}
	if err == nil {
		roots.Others = tipsOf(candidate)
	}
	if roots.Live, err = r.Table(); err != nil {
		return nil, err
	}
	for _, n := range r.Asides() {
		aside, err := r.Aside(n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was dropped
		}
		if err != nil {
			return nil, fmt.Errorf("read generation %d, which was set aside: %w", n, err)
		}
		roots.Others = append(roots.Others, tipsOf(aside)...)
	}
	left, err := r.left()
	if err != nil {
		return nil, err
	}
	roots.Others = slices.AppendSeq(roots.Others, maps.Keys(left))
	return roots, nil
}

// left are the tips that were left not long ago, and when.
func (r *Repo) left() (map[string]time.Time, error) {
	data, err := r.disk.ReadFile(filepath.Join(r.dir, leftFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the tips that were left: %w", err)
	}
	left, now := map[string]time.Time{}, r.clock.Now()
	for line := range strings.Lines(string(data)) {
		at, oid, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		seconds, err := strconv.ParseInt(at, 10, 64)
		if t := time.Unix(seconds, 0); err == nil && isOID(oid) && now.Sub(t) < LeftFor {
			left[oid] = t
		}
	}
	return left, nil
}

// leave notes the tips of the live table that the candidate does not have: they are left as of
// now, when it is about to be activated. It is for clients, so that a live table that cannot be
// read is no reason to activate nothing.
func (r *Repo) leave() error {
	live, err := r.Table()
	if err != nil {
		return nil
	}
	tips := tipsOf(live)
	if len(tips) == 0 {
		return nil // and who waits for the first table waits no longer
	}
	stay := map[string]bool{}
	if next, err := r.CandidateTable(); err == nil {
		for _, oid := range tipsOf(next) {
			stay[oid] = true
		}
	}
	gone := slices.DeleteFunc(tips, func(oid string) bool { return stay[oid] })
	if len(gone) == 0 {
		return nil
	}
	left, err := r.left()
	if err != nil {
		return err
	}
	for _, oid := range gone {
		left[oid] = r.clock.Now()
	}
	latest := slices.SortedFunc(maps.Keys(left), func(a, b string) int {
		if c := left[b].Compare(left[a]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	var file strings.Builder
	for _, oid := range latest[:min(len(latest), mostLeft)] {
		fmt.Fprintf(&file, "%d %s\n", left[oid].Unix(), oid)
	}
	return atomicfile.Write(r.disk, filepath.Join(r.dir, leftFile), []byte(file.String()), 0o644)
}

func isOID(s string) bool { return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" }
