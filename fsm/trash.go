package fsm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
)

// What was removed is remembered for as long as its copies lie in the trash of the nodes that
// had them, so that it can be put back as it was.

// TrashedFor is how long after its removal a repo can be restored, in log time. The copies
// stay as long, or longer: each node counts from when it moved its own away.
const TrashedFor = 24 * time.Hour

// maxTrashed bounds how many removed rows are remembered; the oldest give way.
const maxTrashed = 10_000

// Trashed is a row that was removed. It never changes.
type Trashed struct {
	*Repo // as it comes back: what it was, without its owner

	removedMS int64
	sum       sum
}

// RemovedAt is when the row was removed.
func (r *Trashed) RemovedAt() time.Time { return atTime(r.removedMS) }

// Until is how long it can be restored: later where the dates of the log do not hold.
func (r *Trashed) Until() time.Time { return r.RemovedAt().Add(TrashedFor) }

// trash is the rows that were removed.
type trash struct {
	byAge *btree.BTreeG[*Trashed]
	byID  *btree.BTreeG[*Trashed]
	sum   sum
}

func newTrash() trash {
	return trash{
		byAge: btree.NewBTreeGOptions(func(a, b *Trashed) bool {
			return cmp.Or(cmp.Compare(a.removedMS, b.removedMS), cmp.Compare(a.ID, b.ID)) < 0
		}, unlocked),
		byID: btree.NewBTreeGOptions(func(a, b *Trashed) bool { return a.ID < b.ID }, unlocked),
	}
}

func (t *trash) clone() trash {
	return trash{byAge: t.byAge.Copy(), byID: t.byID.Copy(), sum: t.sum}
}

func (t *trash) find(id string) *Trashed {
	r, _ := t.byID.Get(&Trashed{Repo: &Repo{ID: id}})
	return r
}

func (t *trash) put(r *Trashed) {
	r.sum = sumOf(marshal(nil, trashedRecord(r)))
	t.byAge.Set(r)
	t.byID.Set(r)
	t.sum = t.sum.plus(r.sum)
	for t.byAge.Len() > maxTrashed {
		oldest, _ := t.byAge.Min()
		t.drop(oldest)
	}
}

func (t *trash) drop(r *Trashed) {
	t.byAge.Delete(r)
	t.byID.Delete(r)
	t.sum = t.sum.minus(r.sum)
}

// empty forgets what has been there for TrashedFor.
func (t *trash) empty(nowMS int64) {
	for {
		oldest, any := t.byAge.Min()
		if !any || nowMS-oldest.removedMS < TrashedFor.Milliseconds() {
			return
		}
		t.drop(oldest)
	}
}

// putInTrash remembers a row that is being removed.
func (t *tables) putInTrash(e entry, row *Repo) *Trashed {
	was := row.edit()
	was.Owner, was.Error = 0, nil
	was.Epoch++ // that of the removal
	was.compact()
	r := &Trashed{Repo: was, removedMS: max(toMS(e.at), 1)}
	t.trash.put(r)
	return r
}

// restorable is what the event of a removal says.
func restorable(r *Trashed) string {
	return "can be restored until " + r.Until().Format(time.RFC3339)
}

func (s *State) restoreRepos(e entry, c *command.RestoreRepos) *command.Outcome {
	return batch(c.GetIds(), func(id string) *command.Item { return s.restoreRepo(e, id) })
}

// restoreRepo puts a removed row back as it was. Its copies count as they were reported last:
// each node takes its own back from the trash before it says anything else of it, as it finds
// it there after a restart. Its generation is the last, of which the digest is known: nothing
// else was ever published under that number, and nothing will be.
func (s *State) restoreRepo(e entry, id string) *command.Item {
	t := &s.tables
	was := t.trash.find(id)
	if was == nil {
		return refuseItem(id, refusal.NotFound, "nothing that was removed has the id %q", id)
	}
	if taken := t.inUse(was.Repo); taken != nil {
		return taken
	}
	next := was.edit()
	next.Epoch++
	next.Sourced = nil // it is there because people want it
	next.Copies = slices.DeleteFunc(next.Copies, func(c Copy) bool { return t.nodes.byNum[c.Node] == nil })
	if next.Generation > 0 && !slices.ContainsFunc(next.Copies, func(c Copy) bool { return c.State == CopyReady }) {
		return refuseItem(id, refusal.CopiesGone, "no node that had a copy of %s is a member any more", next.Name)
	}
	t.trash.drop(was)
	for _, name := range append([]string{next.Name}, next.Aliases...) {
		t.giveWay(e, id, name)
	}
	t.store(e, next)
	t.record(e, EventRepoRestored, next, fmt.Sprintf("removed at %s; %d copies", was.RemovedAt().Format(time.RFC3339), len(next.Copies)))
	return ok(id)
}

// inUse refuses a row whose names or upstreams another has by now.
func (t *tables) inUse(row *Repo) *command.Item {
	for _, name := range append([]string{row.Name}, row.Aliases...) {
		if taken := t.nameTaken(row.ID, name); taken != nil {
			return taken
		}
	}
	for i, key := range row.upstreamKeys() {
		if other := t.repoByURLKey(key); other != nil && other.ID != row.ID {
			return takenBy(row.ID, other, key, row.URLs()[i])
		}
	}
	return nil
}

// TrashedByID is a row that was removed and can be restored, nil where there is none.
func (v *View) TrashedByID(id string) *Trashed { return v.tables.trash.find(id) }

// Trashed calls fn with the rows that were removed and can be restored, the last removed
// first, until it returns false.
func (v *View) Trashed(fn func(*Trashed) bool) { v.tables.trash.byAge.Reverse(fn) }

// TrashedBehind is Trashed from behind a place on, as TrashCursor tells it; all for an empty one. It
// tells whether that is a place.
func (v *View) TrashedBehind(cursor string, fn func(*Trashed) bool) bool {
	if cursor == "" {
		v.Trashed(fn)
		return true
	}
	ms, id, _ := strings.Cut(cursor, ":")
	at, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return false
	}
	pivot := &Trashed{Repo: &Repo{ID: id}, removedMS: at}
	v.tables.trash.byAge.Descend(pivot, func(r *Trashed) bool {
		return r.ID == id && r.removedMS == at || fn(r)
	})
	return true
}

// TrashCursor is the place of a row in the order of Trashed. It stays valid when the row goes.
func TrashCursor(r *Trashed) string { return fmt.Sprintf("%d:%s", r.removedMS, r.ID) }

// TrashedLen counts them.
func (v *View) TrashedLen() int { return v.tables.trash.byAge.Len() }

// TrashedByName returns the last removed row of that name in any case, or that had it among its
// other names, or nil. It may look at all that were removed.
func (v *View) TrashedByName(name string) *Trashed {
	same := func(n string) bool { return asciifold.Compare(n, name) == 0 }
	return v.lastTrashed(func(r *Trashed) bool { return same(r.Name) || slices.ContainsFunc(r.Aliases, same) })
}

// TrashedByURLKey is TrashedByName for what mirrored that upstream.
func (v *View) TrashedByURLKey(key string) *Trashed {
	return v.lastTrashed(func(r *Trashed) bool { return slices.Contains(r.upstreamKeys(), key) })
}

func (v *View) lastTrashed(is func(*Trashed) bool) (found *Trashed) {
	v.Trashed(func(r *Trashed) bool {
		if is(r) {
			found = r
		}
		return found == nil
	})
	return found
}
