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
	byURL  *btree.BTreeG[urlEntry] // live rows only
	live   int

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
		byID:   btree.NewBTreeGOptions(func(a, b *Repo) bool { return a.ID < b.ID }, unlocked),
		byName: btree.NewBTreeGOptions(nameLess, unlocked),
		byURL:  btree.NewBTreeGOptions(func(a, b urlEntry) bool { return a.key < b.key }, unlocked),
		events: newRing(),
	}
}

func (t *tables) clone() tables {
	c := *t
	c.byID, c.byName, c.byURL = t.byID.Copy(), t.byName.Copy(), t.byURL.Copy()
	c.events = t.events.clone()
	return c
}

// nameLess orders rows by folded name. A removed row stays behind the live row
// that may have taken its name.
func nameLess(a, b *Repo) bool {
	if a.fold != b.fold {
		return a.fold < b.fold
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
	row, _ := t.byName.Get(&Repo{fold: fold(name)})
	return row
}

func (t *tables) repoByURLKey(key string) *Repo {
	if e, found := t.byURL.Get(urlEntry{key: key}); found {
		return t.repo(e.repo)
	}
	return nil
}

// insert stores a row under a new id.
func (t *tables) insert(row *Repo) {
	t.byID.Set(row)
	t.byName.Set(row)
	t.rows = t.rows.plus(sumOfRow(row))
	if row.Removed {
		return
	}
	t.live++
	for _, key := range row.URLKeys {
		t.byURL.Set(urlEntry{key: key, repo: row.ID})
	}
}

// replace stores next, made by edit, in the place of the row with its id.
func (t *tables) replace(e entry, next *Repo) {
	next.Version = e.index
	if before, known := t.byID.Set(next); known {
		t.rows = t.rows.minus(sumOfRow(before))
	}
	t.byName.Set(next)
	t.rows = t.rows.plus(sumOfRow(next))
}

// retire gives up the name and the urls of a live row, and stores it as next.
func (t *tables) retire(e entry, row, next *Repo) {
	t.byName.Delete(row)
	for _, key := range row.URLKeys {
		t.byURL.Delete(urlEntry{key: key})
	}
	t.live--
	t.replace(e, next)
}

// settle stores next, or drops the row when it is removed and its last copy
// has gone.
func (t *tables) settle(e entry, next *Repo) {
	if next.Removed && len(next.Copies) == 0 {
		if before, known := t.byID.Delete(next); known {
			t.rows = t.rows.minus(sumOfRow(before))
		}
		t.byName.Delete(next)
		return
	}
	t.replace(e, next)
}

func atTime(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
