package fsm

import (
	"time"

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

	byID   *btree.BTreeG[*Repo]
	byName *btree.BTreeG[*Repo]
	byURL  *btree.BTreeG[urlEntry] // live rows only, and what their names do not say
	live   int
	held   holdings
	moved  journal

	events ring

	rows  sum    // of all rows, kept up with every change of one
	marks []Mark // ascending; never written to but replaced
}

// urlEntry leads from an upstream to the live row that mirrors it.
type urlEntry struct{ key, repo string }

// The trees are guarded by State.mu, and clones are only read.
var unlocked = btree.Options{NoLocks: true}

func newTables() tables {
	return tables{
		format: 1,
		nodes:  newNodeTable(nil),
		byID:   newByID(),
		byName: btree.NewBTreeGOptions(nameLess, unlocked),
		byURL:  btree.NewBTreeGOptions(func(a, b urlEntry) bool { return a.key < b.key }, unlocked),
		events: newRing(),
	}
}

func newByID() *btree.BTreeG[*Repo] {
	return btree.NewBTreeGOptions(func(a, b *Repo) bool { return a.ID < b.ID }, unlocked)
}

func (t *tables) clone() tables {
	c := *t
	c.held = t.held.clone()
	c.byID, c.byName, c.byURL = t.byID.Copy(), t.byName.Copy(), t.byURL.Copy()
	c.events = t.events.clone()
	return c
}

// nameLess orders rows by folded name. A removed row stays behind the live row
// that may have taken its name.
func nameLess(a, b *Repo) bool {
	if c := foldCompare(a.Name, b.Name); c != 0 {
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

func (t *tables) repoByName(name string) *Repo {
	row, _ := t.byName.Get(&Repo{Name: name})
	return row
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
		if is == nil || was.Removed != is.Removed {
			t.byName.Delete(was)
		}
	}
	if is != nil {
		t.rows = t.rows.plus(sumOfRow(is))
		t.byID.Set(is)
		t.byName.Set(is)
	}
	switch {
	case was.live() && !is.live():
		t.live--
		for _, key := range was.listedKeys() {
			t.byURL.Delete(urlEntry{key: key})
		}
	case !was.live() && is.live():
		t.addLive(is)
	}
	t.held.move(was, is)
}

func (t *tables) addLive(row *Repo) {
	t.live++
	for _, key := range row.listedKeys() {
		t.byURL.Set(urlEntry{key: key, repo: row.ID})
	}
}

func (r *Repo) live() bool { return r != nil && !r.Removed }

func atTime(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
