package past

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/mirror/refs"
)

// For how long and how many of the tips that upstream took away stay reachable.
const (
	KeepFor = 30 * 24 * time.Hour
	allFor  = 24 * time.Hour     // every tip of a name
	someFor = 7 * 24 * time.Hour // one an hour, and then one a day

	MostKept  = 10_000 // beside each name's last tip, and the settled ones that were lost or had stood
	mostLast  = 50_000 // last tips of names that were never settled
	mostStood = 50_000 // tips that had stood
)

// clockSlack is how far ahead of the log's time what was kept may be dated.
const clockSlack = time.Hour

const keptPrefix = refs.Private + "kept/"

// Gone is a tip that the next table does not show under its name any more.
type Gone struct {
	refs.Change
	Settled, Lost bool // see Kept
}

// Gone lists what the changes took away, of which the tips are to be kept: where it
// is deleted, the name counts; where it moved, each tip of a tag and of what is settled,
// for whatever leads to it now may go next, and else what is lost by it. unreachable
// tells of the old tips of moved refs.
func (s *Step) Gone(v Verdict, unreachable map[string]bool) (gone []Gone) {
	s.know()
	lost := map[string]bool{}
	for _, t := range oldest(v.tips) { // what came since had not settled
		if t.Lost {
			lost[t.Name+" "+t.OID] = true
		}
	}
	if was := s.Base.Head; was.Target() == "" && was != s.Head && unreachable[string(was)] {
		gone = append(gone, Gone{Change: refs.Change{Ref: head, Old: string(was), Kind: refs.Deleted}})
	}
	for _, c := range s.Changes {
		if c.Kind == refs.Deleted || c.Old != "" && (isTag(c.Ref) || c.Kind == refs.Forced && (unreachable[c.Old] || s.settled(c.Ref))) {
			gone = append(gone, Gone{c, s.settled(c.Ref), lost[c.Ref+" "+c.Old]})
		}
	}
	return gone
}

// Keep returns the private refs of the next table, and puts into next, its record,
// what they are: those of old that have not expired or given way to others, and one
// for every tip in gone. refs/gitmirror/kept/<unix seconds>/heads/topic was
// refs/heads/topic.
func Keep(old *refs.Table, was *Record, gone []Gone, next *Record, at refs.LogTime) []refs.Ref {
	k := keeper{at: at, names: map[string]bool{}}
	latest, stood := map[string]time.Time{}, map[string]time.Time{}
	for _, r := range old.Refs {
		if r.Public() {
			continue
		}
		e := was.KeptAs(r.Name)
		if e.Stood && e.At.After(stood[e.Name]) && !e.At.After(at.Now) {
			stood[e.Name] = e.At // of one that is dated later nobody knows when it was
		}
		if e.At.After(at.Now.Add(clockSlack)) {
			e.At = at.Now // the clock was wrong then
		}
		if e.At.After(latest[e.Name]) {
			latest[e.Name] = e.At
		}
		k.add(entry{e, r.OID})
	}
	for _, g := range gone {
		// Two of one name within a second stay in their order.
		when := time.Unix(at.Now.Unix(), 0).UTC()
		if before := latest[g.Ref]; !when.After(before) {
			when = before.Add(time.Second)
		}
		latest[g.Ref] = when
		e := Kept{Ref: k.nameFor(g), Name: g.Ref, New: g.New, At: when, Settled: g.Settled, Lost: g.Lost}
		// One a day, the first: what was left in the day after it cannot have stood for one.
		if e.Stood = g.Settled && (!at.DatesHold || when.Sub(stood[g.Ref]) >= allFor); e.Stood {
			stood[g.Ref] = when
		}
		k.add(entry{e, g.Old})
	}
	k.onePerTip()
	if at.DatesHold {
		k.thin()
	}
	if n := k.bound(); n > 0 {
		next.Dropped.Count, next.Dropped.Last = next.Dropped.Count+n, at.Now
	} else if at.DatesHold && at.Now.Sub(next.Dropped.Last) > KeepFor {
		next.Dropped = Dropped{}
	}
	return k.result(next)
}

type entry struct {
	Kept
	oid string
}

type keeper struct {
	at    refs.LogTime
	list  []entry
	names map[string]bool // kept refs by their own name
}

func (k *keeper) add(e entry) {
	k.names[e.Ref] = true
	k.list = append(k.list, e)
}

// nameFor is a name below kept/ that is free. Two losses of one ref within a second,
// or a name at the bound, are kept apart by the object's id, and where that has been
// lost more than once, by a later second: when it was is in the record.
func (k *keeper) nameFor(g Gone) string {
	for sec := k.at.Now.Unix(); ; sec++ {
		stamp := keptPrefix + strconv.FormatInt(sec, 10)
		name := stamp + "/" + strings.TrimPrefix(g.Ref, "refs/")
		if !k.names[name] && refs.ValidName(name) {
			return name
		}
		if name = stamp + "-" + g.Old; !k.names[name] {
			return name
		}
	}
}

// legacy is a kept ref of which no record says what it was: its name tells most.
func legacy(ref string) Kept {
	e := Kept{Ref: ref, Name: ref}
	stamp, name, ok := strings.Cut(strings.TrimPrefix(ref, keptPrefix), "/")
	if ok {
		e.Name = "refs/" + name
	}
	stamp, _, _ = strings.Cut(stamp, "-")
	if sec, err := strconv.ParseInt(stamp, 10, 64); err == nil {
		e.At = time.Unix(sec, 0).UTC()
	}
	return e
}

// onePerTip leaves the latest of the entries of one name and object.
func (k *keeper) onePerTip() {
	k.newestFirst()
	seen := map[[2]string]int{}
	var list []entry
	for _, e := range k.list {
		key := [2]string{e.Name, e.oid}
		if i, again := seen[key]; again {
			list[i].Settled, list[i].Lost, list[i].Stood = list[i].Settled || e.Settled, list[i].Lost || e.Lost, list[i].Stood || e.Stood
			continue
		}
		seen[key] = len(list)
		list = append(list, e)
	}
	k.list = list
}

func (k *keeper) newestFirst() {
	slices.SortStableFunc(k.list, func(a, b entry) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.Ref, b.Ref))
	})
}

// thin drops what has expired, and of the rest of each name leaves all of the last
// day, one an hour of the week, and one a day before. A name's last tip, and of a settled
// one what was lost, and where it had stood for a day, stays.
func (k *keeper) thin() {
	type slot struct {
		name   string
		bucket int64
	}
	seen, taken := map[string]bool{}, map[slot]bool{}
	k.list = slices.DeleteFunc(k.list, func(e entry) bool {
		age := k.at.Now.Sub(e.At)
		last := !seen[e.Name]
		seen[e.Name] = true
		s := slot{e.Name, e.At.Unix() / int64(time.Hour/time.Second)}
		if age > someFor {
			s.bucket = -e.At.Unix()/int64(24*time.Hour/time.Second) - 1
		}
		full := taken[s]
		switch {
		case e.At.IsZero(): // it is not one of ours
			return false
		case age > KeepFor:
			return true
		case last || e.Lost || e.Stood || age <= allFor:
			taken[s] = true
			return false
		}
		taken[s] = true
		return full
	})
}

// bound drops what is too much, the oldest of the least important first, and returns
// how many.
func (k *keeper) bound() (dropped int) {
	seen, depth := map[string]bool{}, map[string]int{}
	var others, strangers, last []int // newest first
	var stood [][2]int                // how many of its name are newer, and where
	for i, e := range k.list {
		isLast := !seen[e.Name]
		seen[e.Name] = true
		switch {
		case e.At.IsZero() || e.Lost || isLast && e.Settled:
		case e.Stood:
			depth[e.Name]++
			stood = append(stood, [2]int{depth[e.Name], i})
		case isLast:
			last = append(last, i)
		case e.Settled:
			others = append(others, i)
		default:
			strangers = append(strangers, i)
		}
	}
	drop := map[int]bool{}
	ranked := append(others, strangers...)
	for _, i := range ranked[min(len(ranked), MostKept):] {
		drop[i] = true
	}
	for _, i := range last[min(len(last), mostLast):] {
		drop[i] = true
	}
	// A name that moves every day gives way to one that has moved once.
	slices.SortFunc(stood, func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, s := range stood[min(len(stood), mostStood):] {
		drop[s[1]] = true
	}
	i := -1
	k.list = slices.DeleteFunc(k.list, func(entry) bool { i++; return drop[i] })
	return len(drop)
}

func (k *keeper) result(next *Record) []refs.Ref {
	list := make([]refs.Ref, 0, len(k.list))
	next.Kept = make([]Kept, 0, len(k.list))
	for _, e := range k.list {
		list = append(list, refs.Ref{Name: e.Ref, OID: e.oid})
		next.Kept = append(next.Kept, e.Kept)
	}
	refs.Sort(list)
	slices.SortFunc(next.Kept, func(a, b Kept) int { return strings.Compare(a.Ref, b.Ref) })
	return list
}
