package fsm

import (
	"slices"
	"time"

	"gitmirror/internal/asciifold"

	"github.com/tidwall/btree"
)

// tables is everything that readers may see. A clone costs a few words: the
// trees share their nodes until one side changes them.
type tables struct {
	index     uint64
	nowMS     int64 // log time, see clock.go
	jumpedMS  int64 // log time after its last jump, 0 for none
	clusterID string
	format    uint32 // the cluster format, see format.go
	nodes     *nodeTable
	lastNode  NodeNum // highest number given out

	byID    *btree.BTreeG[*Repo]
	byName  *btree.BTreeG[*Repo]
	byURL   *btree.BTreeG[lead] // live rows only, and what their names do not say
	byAlias *btree.BTreeG[lead] // live rows only, by the other names, folded, that they have
	live    int
	held    holdings
	moved   journal
	trash   trash // of rows that were removed
	sources sources
	claims  claims               // that sources have on rows
	retired *btree.BTreeG[*Repo] // rows that nobody claims any more, by how long
	gone    *btree.BTreeG[*Repo] // those of them of which it is known what they were, by that
	lapsed  *btree.BTreeG[*Repo] // those of them that have another address than what they serve came from, by that

	events ring

	rows  sum    // of all rows, kept up with every change of one
	marks []Mark // ascending; never written to but replaced
}

// lead is the way from what a live row is found by to that row.
type lead struct{ key, repo string }

// The trees are guarded by State.mu, and clones are only read.
var unlocked = btree.Options{NoLocks: true}

func newTables() tables {
	return tables{
		format:  1,
		nodes:   newNodeTable(nil),
		byID:    newByID(),
		byName:  btree.NewBTreeGOptions(nameLess, unlocked),
		byURL:   newLeads(),
		byAlias: newLeads(),
		events:  newRing(),
		trash:   newTrash(),
		claims:  newClaims(),
		retired: newRetired(),
		gone:    newGone(),
		lapsed:  newLapsed(),
	}
}

func newLeads() *btree.BTreeG[lead] {
	return btree.NewBTreeGOptions(func(a, b lead) bool { return a.key < b.key }, unlocked)
}

func newByID() *btree.BTreeG[*Repo] {
	return btree.NewBTreeGOptions(func(a, b *Repo) bool { return a.ID < b.ID }, unlocked)
}

func (t *tables) clone() tables {
	c := *t
	c.held = t.held.clone()
	c.retired, c.gone, c.lapsed = t.retired.Copy(), t.gone.Copy(), t.lapsed.Copy()
	c.byID, c.byName, c.byURL, c.byAlias = t.byID.Copy(), t.byName.Copy(), t.byURL.Copy(), t.byAlias.Copy()
	c.events, c.trash, c.claims = t.events.clone(), t.trash.clone(), t.claims.clone()
	return c
}

// nameLess orders rows by folded name. A removed row stays behind the live row
// that may have taken its name.
func nameLess(a, b *Repo) bool {
	if c := asciifold.Compare(a.Name, b.Name); c != 0 {
		return c < 0
	}
	return a.rank() < b.rank()
}

func (r *Repo) rank() string {
	if r.Removed {
		return r.ID
	}
	return ""
}

func (t *tables) repo(id string) *Repo {
	row, _ := t.byID.Get(&Repo{ID: id})
	return row
}

// liveRepo is repo without the rows that are being removed.
func (t *tables) liveRepo(id string) *Repo {
	if row := t.repo(id); row != nil && !row.Removed {
		return row
	}
	return nil
}

// repoByName returns the live row that is called so.
func (t *tables) repoByName(name string) *Repo {
	row, _ := t.byName.Get(&Repo{Name: name})
	return row
}

// repoNamed returns the live row that is called so, or that has it among its other names:
// no two rows are found by one.
func (t *tables) repoNamed(name string) *Repo {
	if row := t.repoByName(name); row != nil {
		return row
	}
	if l, found := t.byAlias.Get(lead{key: asciifold.String(name)}); found {
		return t.repo(l.repo)
	}
	return nil
}

// store is how commands change a row: next, a new row or one made by edit, takes the place
// of the row with its id. A removed row whose last copy has gone is dropped.
func (t *tables) store(e entry, next *Repo) {
	next.Version = e.index
	next.compact()
	t.moved.note(e.index, next.ID)
	was := t.repo(next.ID)
	if next.Removed && len(next.Copies) == 0 {
		t.move(was, nil)
		return
	}
	t.move(was, next)
}

// move puts is in the place of was in every index, sum and count; was is nil for a new
// row, is for one that goes.
func (t *tables) move(was, is *Repo) {
	if was != nil {
		t.rows = t.rows.minus(sumOfRow(was))
		if is == nil {
			t.byID.Delete(was)
		}
		if is == nil || nameLess(was, is) || nameLess(is, was) {
			t.byName.Delete(was)
		}
	}
	if is != nil {
		t.rows = t.rows.plus(sumOfRow(is))
		t.byID.Set(is)
		t.byName.Set(is)
	}
	t.retire(was, is)
	if was.live() != is.live() || was.live() && !was.foundAs(is) {
		t.dropLive(was)
		t.addLive(is)
	}
	t.held.move(was, is)
}

// foundAs tells whether the same leads to both, besides their names.
func (r *Repo) foundAs(is *Repo) bool {
	return slices.Equal(r.urlKeys, is.urlKeys) && slices.Equal(r.Aliases, is.Aliases)
}

func (t *tables) dropLive(row *Repo) {
	if !row.live() {
		return
	}
	t.live--
	for _, key := range row.urlKeys {
		t.byURL.Delete(lead{key: key})
	}
	for _, name := range row.Aliases {
		t.byAlias.Delete(lead{key: asciifold.String(name)})
	}
}

func (t *tables) addLive(row *Repo) {
	if !row.live() {
		return
	}
	t.live++
	for _, key := range row.urlKeys {
		t.byURL.Set(lead{key: key, repo: row.ID})
	}
	for _, name := range row.Aliases {
		t.byAlias.Set(lead{key: asciifold.String(name), repo: row.ID})
	}
}

func (r *Repo) live() bool { return r != nil && !r.Removed }

func atTime(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
