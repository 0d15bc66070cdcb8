package world

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror/refs"
)

// chronicle is what the log of a cluster says, put together from the disks of its nodes
// when a world has ended, and what became of each row by it. It is what all that nodes have
// said is measured against.
type chronicle struct {
	entries  map[place]raft.Log // of every log that was seen
	newest   []raft.Log         // the longest log from its first entry on
	before   []raft.Log         // the same, when the cluster was recovered last
	last     uint64             // entries up to it are known to be committed
	rows     map[string][]version
	lines    map[string]lineage // of rows
	upstream func(url string) *Upstream
	madeAt   func(candidate string) time.Time // when it was prepared, zero where that was not seen
	frozen   func(from, to time.Time) bool    // whether a disk was, at some moment in between
	trusted  time.Time                        // until then all clocks but one were right
	doubted  atomic.Bool                      // later they were not
	downs    map[string][]span                // when the log said of nodes that they are down, by name
	terms    int                              // in which somebody led

	account  func(name string) *account
	sources  map[string][]sourceVersion // by name
	losses   map[string][]loss          // by source's id
	listings int                        // that were complete
	holds    int                        // of them, those that would have taken too much
}

// place is where an entry stands. Who leads writes one entry to a place; two that differ had
// two leaders in one term.
type place struct{ index, term uint64 }

// span is a time in the world. It has no end where it lasts.
type span struct{ from, to time.Time }

// version is a row from an index of the log on, until the next.
type version struct {
	from  uint64
	at    time.Time // when who led then appended the entry
	row   *fsm.Repo // nil where it is gone
	owner string    // by name, empty for none
	nodes map[fsm.NodeNum]string
}

func newChronicle(w *World) *chronicle {
	return &chronicle{upstream: w.upstream, account: w.accountNamed, madeAt: w.candidates.madeAt, frozen: w.ice.between, sources: map[string][]sourceVersion{}, losses: map[string][]loss{}, entries: map[place]raft.Log{}, rows: map[string][]version{}, lines: map[string]lineage{}, downs: map[string][]span{}}
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
	if len(list) == 0 {
		return nil
	}
	if first := int(list[0].Index); first > 1 && first <= len(c.before)+1 { // after a recovery
		list = slices.Concat(c.before[:first-1], list)
	}
	if list[0].Index == 1 && newer(list, c.newest) {
		c.newest = list
	}
	return nil
}

// recovered notes that the cluster goes on from the longest log that was seen, as a snapshot.
func (c *chronicle) recovered() { c.before = c.newest }

// newer compares two logs as who gives a vote does.
func newer(list, than []raft.Log) bool {
	if len(than) == 0 {
		return true
	}
	a, b := list[len(list)-1], than[len(than)-1]
	return a.Term > b.Term || a.Term == b.Term && a.Index > b.Index
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
		return []string{fmt.Sprintf("entry %d was read from, and the newest log ends at %d", last, n)}
	}
	state := fsm.New()
	view := state.View()
	seen, term := uint64(0), uint64(0)
	var led time.Time // since when, in the term: a new leader goes on from the log's time until it has asked for others'
	for _, e := range c.newest {
		if e.Term != term {
			term, led, c.terms = e.Term, e.AppendedAt, c.terms+1
		}
		if e.Type != raft.LogCommand {
			continue
		}
		if res := state.Apply(e.Index, e.Data); res.Err != nil {
			return append(flaws, fmt.Sprintf("entry %d cannot be applied: %v", e.Index, res.Err))
		}
		before := view
		view = state.View()
		if now := view.Now(); e.AppendedAt.Before(c.trusted) &&
			(now.Sub(e.AppendedAt) > onTime || e.AppendedAt.Sub(now) > onTime && e.AppendedAt.Sub(led) > onTime && !c.frozen(now, e.AppendedAt)) {
			flaws = append(flaws, fmt.Sprintf("entry %d says that it is %s, at %s", e.Index, now, e.AppendedAt))
		}
		ids, ok := view.ChangedSince(seen)
		if !ok {
			return append(flaws, "the log is too long to be followed")
		}
		seen = e.Index
		c.noteDown(view, e.AppendedAt)
		if len(before.Sources())+len(view.Sources()) > 0 {
			c.noteSources(view, e.Index, e.AppendedAt)
			var env command.Envelope
			if err := proto.Unmarshal(e.Data, &env); err != nil {
				return append(flaws, fmt.Sprintf("entry %d: %v", e.Index, err))
			}
			for _, flaw := range c.sourced(before, view, ids, env.GetNumber(), env.GetPayload(), e.AppendedAt) {
				flaws = append(flaws, fmt.Sprintf("entry %d: %s", e.Index, flaw))
			}
		}
		nodes := map[fsm.NodeNum]string{}
		for _, n := range view.Nodes() {
			nodes[n.Num] = n.Name
		}
		for _, id := range ids {
			v := version{from: e.Index, at: e.AppendedAt, row: view.Repo(id), nodes: nodes}
			if v.row != nil {
				v.owner = nodes[v.row.Owner]
			}
			if old := before.Repo(id); old != nil && v.row != nil {
				if err := errors.Join(follows(old, v.row), c.spread(before, view, old, v.row), c.published(before, view, old, v.row, e)); err != nil {
					flaws = append(flaws, fmt.Sprintf("entry %d: row %s: %v", e.Index, v.row.Name, err))
				}
			}
			if old := c.lastOf(id); before.Repo(id) == nil && old != nil && v.row != nil { // brought back
				if err := follows(old, v.row); err != nil {
					flaws = append(flaws, fmt.Sprintf("entry %d: row %s comes back: %v", e.Index, v.row.Name, err))
				}
			}
			c.rows[id] = append(c.rows[id], v)
		}
	}
	return flaws
}

// lastOf is a row as it was when it was there last, nil where it never was.
func (c *chronicle) lastOf(id string) *fsm.Repo {
	for _, v := range slices.Backward(c.rows[id]) {
		if v.row != nil {
			return v.row
		}
	}
	return nil
}

func (c *chronicle) noteDown(view *fsm.View, at time.Time) {
	for _, n := range view.Nodes() {
		list := c.downs[n.Name]
		was := len(list) > 0 && list[len(list)-1].to.IsZero()
		switch is := n.State == fsm.NodeDown; {
		case is && !was:
			c.downs[n.Name] = append(list, span{from: at})
		case was && !is:
			list[len(list)-1].to = at
		}
	}
}

// downFor is for how long a node has been down, as the log says, at a time.
func (c *chronicle) downFor(node string, at time.Time) time.Duration {
	for _, s := range c.downs[node] {
		if !s.from.After(at) && (s.to.IsZero() || s.to.After(at)) {
			return at.Sub(s.from)
		}
	}
	return 0
}

// follows checks one step of a row.
func follows(old, row *fsm.Repo) error {
	switch {
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

// spread checks where copies come to, and go: none to a node that is draining, and none away
// before another is on a node that lives.
func (c *chronicle) spread(before, view *fsm.View, old, row *fsm.Repo) error {
	ready, left := 0, false
	for _, cp := range row.Copies {
		n := view.Node(cp.Node)
		had, held := old.Copy(cp.Node)
		if !held && n != nil && n.Draining() && before.Node(cp.Node) != nil && before.Node(cp.Node).Draining() {
			return fmt.Errorf("a copy comes to %s, which is draining", n.Name)
		}
		left = left || held && had.State != fsm.CopyLeaving && cp.State == fsm.CopyLeaving
		if cp.State == fsm.CopyReady && n != nil && n.Serves() {
			ready++
		}
	}
	if left && ready == 0 && row.Generation > 0 && !row.Removed {
		return errors.New("its last copy on a node that lives is to leave")
	}
	return nil
}

// published checks a generation that follows another.
func (c *chronicle) published(before, view *fsm.View, old, row *fsm.Repo, e raft.Log) error {
	if row.Generation == old.Generation {
		return nil
	}
	var envelope command.Envelope
	var p command.Publish
	if err := errors.Join(proto.Unmarshal(e.Data, &envelope), proto.Unmarshal(envelope.GetPayload(), &p)); err != nil {
		return err
	}
	c.lines[row.ID] = c.lines[row.ID].with(row, &p)
	return errors.Join(fenced(before, old, &p), c.grounded(view, old, row, &p, e.AppendedAt))
}

// fenced checks that who has published owned the row, in its epoch, and knew its
// generation.
func fenced(before *fsm.View, old *fsm.Repo, p *command.Publish) error {
	node := before.NodeByID(p.GetNode())
	if node == nil || node.Num != old.Owner || p.GetEpoch() != old.Epoch || p.GetFromGeneration() != old.Generation {
		return fmt.Errorf("%v publishes over owner %d, epoch %d, generation %d", p, old.Owner, old.Epoch, old.Generation)
	}
	return nil
}

// grounded checks that what is published is what upstream had told its owner last when the
// candidate was made, however long that had to wait; or, where upstream does not answer, what
// there was before a generation that nobody has any more, and nobody is expected to come back
// with; or just what there was, with a lost generation recovered.
func (c *chronicle) grounded(view *fsm.View, old, row *fsm.Repo, p *command.Publish, at time.Time) error {
	if len(row.Pins) > 0 || len(row.Released) > 0 {
		return nil
	}
	if made := c.madeAt(p.GetCandidate()); !made.IsZero() {
		at = made
	}
	if owner, u := view.Node(row.Owner), c.upstream(row.URLs()[0]); owner != nil && u != nil && u.toldTo(owner.Name, refs.Digest(row.RefsDigest), at) {
		return nil
	}
	for _, v := range c.rows[row.ID] {
		if v.row.Generation != row.Base().Number || v.row.RefsDigest != row.RefsDigest {
			continue
		}
		if row.Base().Number == old.Generation && len(p.GetRecovered()) > 0 {
			return nil // what was lost is kept again, beside what is there: upstream is not asked for that
		}
		for _, held := range old.Copies {
			n := view.Node(held.Node)
			if held.State == fsm.CopyReady && held.Generation == old.Generation && n != nil && view.DatesHold() && (n.State.Live() || view.Now().Sub(n.Since) < replaceAfter-time.Minute) {
				return fmt.Errorf("generation %d is given up, which %s has, %s since %s", old.Generation, n.Name, n.State, n.Since)
			}
		}
		return nil
	}
	return fmt.Errorf("generation %d is published, which upstream had not told its owner", row.Generation)
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
		if first := versions[0].row; first.Name == name || slices.Contains(first.Aliases, name) {
			list = append(list, versions...)
		}
	}
	return list
}

// when is the row as it was at a time, without a row where it was not there.
func (c *chronicle) when(id string, at time.Time) (is version) {
	for _, v := range c.rows[id] {
		if v.at.After(at) {
			break
		}
		is = v
	}
	return is
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
