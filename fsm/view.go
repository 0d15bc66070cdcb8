package fsm

import (
	"strings"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
)

// View is the state after one entry. It never changes, and neither do the
// rows it returns: they are shared, so they are not to be written to.
type View struct{ tables tables }

// Index is that of the last entry applied.
func (v *View) Index() uint64 { return v.tables.index }

// ClusterID is empty until the cluster has been founded.
func (v *View) ClusterID() string { return v.tables.clusterID }

// Nodes returns all nodes by name.
func (v *View) Nodes() []*Node { return v.tables.nodes.sorted }

// Node returns the node of that number, or nil.
func (v *View) Node(n NodeNum) *Node { return v.tables.nodes.byNum[n] }

// NodeByID returns the node of that id, or nil.
func (v *View) NodeByID(id string) *Node { return v.tables.nodes.byID[id] }

// NodeByName returns the node of that name in any case, or nil. A node that
// left is only found while no other has its name.
func (v *View) NodeByName(name string) *Node { return v.tables.nodes.byName[asciifold.String(name)] }

// Format is the cluster format: what may stand in the log and in snapshots.
func (v *View) Format() uint32 { return v.tables.format }

// LoggedChanges returns how the refs of the row's base became those of its
// generation, if the log still has all of it.
func (v *View) LoggedChanges(row *Repo) ([]*command.Change, bool) {
	e := v.tables.events.find(row.event)
	if e == nil || e.Repo != row.ID || e.Generation != row.Generation || int(e.ChangesTotal) != len(e.Changes) || e.Type == EventBaseline {
		return nil, false
	}
	return e.Changes, true
}

// Repo returns the row of that id, removed ones too, or nil.
func (v *View) Repo(id string) *Repo { return v.tables.repo(id) }

// RepoByName returns the live row of that name in any case, or that has it among its other
// names, or nil.
func (v *View) RepoByName(name string) *Repo { return v.tables.repoNamed(name) }

// Removing returns the row that was called so and is being removed, the latest of several, or
// nil.
func (v *View) Removing(name string) (latest *Repo) {
	v.tables.byName.Ascend(&Repo{Name: name}, func(row *Repo) bool {
		if asciifold.Compare(row.Name, name) != 0 {
			return false
		}
		if row.Removed {
			latest = row // they are in the order of their IDs, which is that of time
		}
		return true
	})
	return latest
}

// ReposEnding returns live rows, as many as most at the most, whose names end in those
// parts, in any case: big and acme/big are ends of github.com/acme/big. It looks at all rows.
func (v *View) ReposEnding(parts string, most int) (rows []*Repo) {
	end := "/" + asciifold.String(parts)
	v.tables.byName.Scan(func(row *Repo) bool {
		if from := len(row.Name) - len(end); !row.Removed && from > 0 && asciifold.Compare(row.Name[from:], end) == 0 {
			rows = append(rows, row)
		}
		return len(rows) < most
	})
	return rows
}

// RepoByURLKey returns the live row that mirrors that upstream, or nil.
func (v *View) RepoByURLKey(key string) *Repo { return v.tables.repoByURLKey(key) }

// Len counts the live rows.
func (v *View) Len() int { return v.tables.live }

// RemovedLen counts the rows that wait for their last copies to go.
func (v *View) RemovedLen() int { return v.tables.byID.Len() - v.tables.live }

// Repos calls fn with each row behind the cursor, in the order of their names,
// until fn returns false. The empty cursor is before the first row.
func (v *View) Repos(after string, fn func(*Repo) bool) {
	if after == "" {
		v.tables.byName.Scan(fn)
		return
	}
	name, id, removed := strings.Cut(after, ":")
	pivot := &Repo{Name: name, ID: id, Removed: removed}
	v.tables.byName.Ascend(pivot, func(row *Repo) bool {
		return !nameLess(pivot, row) || fn(row)
	})
}

// Cursor returns the place of a row in the order of Repos. It stays valid when
// the row goes. Clients treat it as opaque.
func Cursor(row *Repo) string {
	if row.Removed {
		return asciifold.String(row.Name) + ":" + row.ID
	}
	return asciifold.String(row.Name)
}

// Events returns the events behind the sequence number, oldest first. What
// happened long ago is not kept.
func (v *View) Events(after uint64) []Event { return v.tables.events.after(after) }

// LatestEvents calls fn with the events, newest first, until it returns false. They are not to
// be written to.
func (v *View) LatestEvents(fn func(*Event) bool) { v.tables.events.tree.Reverse(fn) }

// EventBounds are the sequence numbers of the oldest event that is kept, 0 for none, and of
// the newest there has been. What is between them is there.
func (v *View) EventBounds() (oldest, newest uint64) { return v.tables.events.bounds() }
