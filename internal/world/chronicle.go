package world

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"gitmirror/fsm"
)

// chronicle is what the log of a cluster says, put together from the disks of its nodes
// when a world has ended, and what became of each row by it. It is what all that nodes have
// said is measured against.
type chronicle struct {
	entries map[place]raft.Log // of every log that was seen
	newest  []raft.Log         // the longest log from its first entry on
	last    uint64             // entries up to it are known to be committed
	rows    map[string][]version
	terms   int // in which somebody led
}

// place is where an entry stands. Who leads writes one entry to a place; two that differ had
// two leaders in one term.
type place struct{ index, term uint64 }

// version is a row from an index of the log on, until the next.
type version struct {
	from  uint64
	row   *fsm.Repo // nil where it is gone
	owner string    // by name, empty for none
	nodes map[fsm.NodeNum]string
}

func newChronicle() *chronicle {
	return &chronicle{entries: map[place]raft.Log{}, rows: map[string][]version{}}
}

// read takes in the log in a node's directory, on which nothing runs.
func (c *chronicle) read(dir string) error {
	list, err := entriesOf(filepath.Join(dir, "raft", "raft.db"))
	if err != nil {
		return fmt.Errorf("the log in %s cannot be read: %w", dir, err)
	}
	for _, e := range list {
		at := place{e.Index, e.Term}
		if old, there := c.entries[at]; there && !sameEntry(old, e) {
			return fmt.Errorf("entry %d of term %d is two: %v and %v", e.Index, e.Term, old, e)
		}
		c.entries[at] = e
	}
	if len(list) > 0 && list[0].Index == 1 && len(list) > len(c.newest) {
		c.newest = list
	}
	return nil
}

func sameEntry(a, b raft.Log) bool {
	return a.Type == b.Type && bytes.Equal(a.Data, b.Data) && a.AppendedAt.Equal(b.AppendedAt)
}

// entriesOf are the entries of a log, in order.
func entriesOf(path string) (list []raft.Log, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{ReadOnly: true, Timeout: time.Second}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	first, err := db.FirstIndex()
	if err != nil || first == 0 {
		return nil, err
	}
	last, err := db.LastIndex()
	for i := first; i <= last && err == nil; i++ {
		var e raft.Log
		if err = db.GetLog(i, &e); err == nil {
			list = append(list, e)
		}
	}
	return list, err
}

// replay applies the entries, as a node does, and says what does not go with what rows must
// keep to. Up to last they are known to be committed.
func (c *chronicle) replay(last uint64) (flaws []string) {
	c.last = last
	if n := len(c.newest); n == 0 || c.newest[n-1].Index < last {
		return []string{fmt.Sprintf("entry %d was read from, and the longest log ends at %d", last, n)}
	}
	state := fsm.New()
	seen := uint64(0)
	term := uint64(0)
	for _, e := range c.newest {
		if e.Term != term {
			term, c.terms = e.Term, c.terms+1
		}
		if e.Type != raft.LogCommand {
			continue
		}
		if res := state.Apply(e.Index, e.Data); res.Err != nil {
			return append(flaws, fmt.Sprintf("entry %d cannot be applied: %v", e.Index, res.Err))
		}
		view := state.View()
		ids, ok := view.ChangedSince(seen)
		if !ok {
			return append(flaws, "the log is too long to be followed")
		}
		seen = e.Index
		nodes := map[fsm.NodeNum]string{}
		for _, n := range view.Nodes() {
			nodes[n.Num] = n.Name
		}
		for _, id := range ids {
			v := version{from: e.Index, row: view.Repo(id), nodes: nodes}
			if v.row != nil {
				v.owner = nodes[v.row.Owner]
			}
			if old := c.rows[id]; len(old) > 0 && v.row != nil {
				if err := follows(old[len(old)-1].row, v.row); err != nil {
					flaws = append(flaws, fmt.Sprintf("entry %d: row %s: %v", e.Index, v.row.Name, err))
				}
			}
			c.rows[id] = append(c.rows[id], v)
		}
	}
	return flaws
}

// follows checks one step of a row.
func follows(old, row *fsm.Repo) error {
	switch {
	case old == nil:
		return errors.New("it was gone, and is back under its id")
	case row.Generation < old.Generation || row.Generation > old.Generation+1:
		return fmt.Errorf("generation %d follows %d", row.Generation, old.Generation)
	case row.Generation == old.Generation && row.Digest != old.Digest:
		return fmt.Errorf("generation %d is %s, and then %s", row.Generation, old.Digest, row.Digest)
	case row.Epoch < old.Epoch:
		return fmt.Errorf("epoch %d follows %d", row.Epoch, old.Epoch)
	case row.Epoch == old.Epoch && row.Owner != old.Owner:
		return fmt.Errorf("epoch %d has two owners, %d and %d", row.Epoch, old.Owner, row.Owner)
	case row.Generation > old.Generation && row.Owner != old.Owner:
		return fmt.Errorf("generation %d is published, and the owner changes, in one entry", row.Generation)
	}
	return nil
}

// since are the version of a row at the last entry that is known to be committed, and those
// that follow it.
func since(versions []version, last uint64) []version {
	for i := len(versions) - 1; i > 0; i-- {
		if versions[i].from <= last {
			return versions[i:]
		}
	}
	return versions
}

// named are the versions of all rows that had that name, in order of the log.
func (c *chronicle) named(name string) (list []version) {
	for _, versions := range c.rows {
		if versions[0].row.Name == name {
			list = append(list, versions...)
		}
	}
	return list
}

// between tells whether the row was so at some index from one on, up to another.
func (c *chronicle) between(id string, from, to uint64, so func(version) bool) bool {
	list := c.rows[id]
	for i, v := range list {
		if v.from > to {
			break
		}
		if (i+1 == len(list) || list[i+1].from > from) && so(v) {
			return true
		}
	}
	return false
}
