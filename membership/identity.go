package membership

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/google/uuid"

	"gitmirror/internal/advice"
	"gitmirror/internal/atomicfile"
	"gitmirror/internal/disk"
)

// Identity is node.json: who this data directory is.
type Identity struct {
	Format    int    `json:"format"`
	ID        string `json:"id"`
	Place            // empty in what a gitmirror of before has written
	ClusterID string `json:"cluster_id,omitempty"` // empty until it has joined or founded one
	// Former are the ids that the cluster had before it was recovered, oldest first.
	Former []string `json:"former,omitempty"`
	// Recovering is set from the decision to recover the cluster here until that has happened.
	Recovering bool `json:"recovering,omitempty"`
	// Founding is set from the decision to found a cluster until that has
	// happened: only then may a node start consensus on its own.
	Founding bool `json:"founding,omitempty"`
	// Log is the id of the raft log in this directory, noted before anything
	// in it is acknowledged: a start without that log is refused.
	Log string `json:"log,omitempty"`
	// Runs are the latest processes of this directory, each noted before it is
	// announced: a directory that does not know the run in its row is a copy.
	Runs []string `json:"runs,omitempty"`
	// RowRun is the last of them that its row was seen to have. It is never
	// forgotten, however many starts have failed since.
	RowRun string `json:"row_run,omitempty"`
	// ClusterFormat is the newest cluster format seen: a binary that speaks less
	// cannot read what this directory holds.
	ClusterFormat uint32 `json:"cluster_format,omitempty"`
	// Promise is what it has promised to others that wait for a cluster, while it waits too.
	Promise Promise `json:"promise,omitzero"`
	// Members are the peer addresses of the other members, as last known.
	Members []string `json:"members,omitempty"`

	dir      string
	disk     *disk.Disk
	makeRoom func() error // gives up what is kept for a full disk
	mu       sync.Mutex   // of changes while the node runs
}

// maxRuns is how many runs a directory remembers: a member that was away for long may
// ask for an old one.
const maxRuns = 1000

// dataFormat is the layout of the data directory. A newer one is refused.
const dataFormat = 1

// LoadIdentity reads node.json below dir, or makes a node of it that is in no cluster yet.
// It refuses what a binary that speaks cluster formats up to speaks cannot go on with.
// makeRoom gives up, once, what is kept for a full disk.
func LoadIdentity(d *disk.Disk, dir string, speaks uint32, makeRoom func() error) (*Identity, error) {
	path := filepath.Join(dir, "node.json")
	data, err := d.ReadFile(path)
	log := filepath.Join(dir, "raft", "raft.db")
	_, noLog := d.Lstat(log)
	if errors.Is(err, fs.ErrNotExist) {
		// node.json is durable before the log is made: a log without it is of an
		// identity that is lost, and must not vote for a new one.
		if !errors.Is(noLog, fs.ErrNotExist) {
			return nil, &advice.Error{Message: fmt.Sprintf("%s is gone, but the raft log %s is there: whose it is, is lost", path, log), Err: err,
				Try: "restore node.json from a backup, or start this node anew with an empty --data directory"}
		}
		id := &Identity{Format: dataFormat, ID: uuid.NewString(), dir: dir, disk: d, makeRoom: makeRoom}
		return id, id.save()
	}
	if err != nil {
		return nil, &advice.Error{Message: fmt.Sprintf("cannot read node.json: %v", err), Try: "mend the permissions and the disk of the --data directory", Err: err}
	}
	if !intact(data) {
		return nil, &advice.Error{Message: fmt.Sprintf("%s is not as it was written: it is damaged, or was changed by hand", path),
			Try: "restore it from a backup, or start this node anew with an empty --data directory"}
	}
	id := &Identity{dir: dir, disk: d, makeRoom: makeRoom}
	if err := json.Unmarshal(data, id); err != nil {
		return nil, &advice.Error{Message: fmt.Sprintf("%s cannot be read: %v", path, err), Err: err,
			Try: "restore it from a backup, or start this node anew with an empty --data directory"}
	}
	if id.Format > dataFormat {
		return nil, &advice.Error{Message: fmt.Sprintf("%s has format %d, this gitmirror knows up to %d", path, id.Format, dataFormat),
			Try: "start it with the newer gitmirror that wrote it"}
	}
	if uuid.Validate(id.ID) != nil {
		return nil, &advice.Error{Message: path + " has no node id", Try: "start this node anew with an empty --data directory"}
	}
	if id.ClusterID == "" && noLog == nil {
		return nil, &advice.Error{Message: fmt.Sprintf("%s names no cluster, but the raft log %s is there: whose it is, is lost", path, log),
			Try: "restore node.json from a backup, or start this node anew with an empty --data directory"}
	}
	if id.ClusterFormat > speaks {
		return nil, &advice.Error{Message: fmt.Sprintf("%s belongs to a cluster of format %d, this gitmirror speaks up to %d", dir, id.ClusterFormat, speaks),
			Try: "start it with the newer gitmirror that the other nodes run"}
	}
	return id, nil
}

// Of reads the node.json below dir, of a node that does not run: as LoadIdentity, but it makes none.
func Of(d *disk.Disk, dir string, speaks uint32) (*Identity, error) {
	path := filepath.Join(dir, "node.json")
	if _, err := d.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, &advice.Error{Code: 5, Message: fmt.Sprintf("%s is not the data directory of a node: there is no node.json", dir), Try: "give the --data with which the node was started"}
	}
	return LoadIdentity(d, dir, speaks, func() error { return errors.New("nothing is kept for a full disk") })
}

// Kept is the place that the node.json below dir has, and the cluster, before anybody knows
// whether that is in use; none where there is no such file, or none that can be read.
func Kept(d *disk.Disk, dir string) (at Place, cluster string) {
	var id Identity
	data, err := d.ReadFile(filepath.Join(dir, "node.json"))
	if err != nil || !intact(data) || json.Unmarshal(data, &id) != nil {
		return Place{}, ""
	}
	return id.Place, id.ClusterID
}

// Begin notes, durably, a new run and where it is. It returns where the node was before.
func (id *Identity) Begin(run string, at Place) (was Place, err error) {
	was = id.Place
	return was, id.update(func() {
		id.Place = at
		id.Runs = append(id.Runs, run)
		if drop := len(id.Runs) - maxRuns; drop > 0 {
			if at := slices.Index(id.Runs, id.RowRun); at >= 0 && at < drop {
				id.Runs[drop] = id.RowRun // in the place of the oldest that stays
			}
			id.Runs = id.Runs[drop:]
		}
	})
}

// Return notes, durably, that the node is where it was before a start that came to nothing.
func (id *Identity) Return(was Place) error { return id.update(func() { id.Place = was }) }

// Confirm notes, durably, that the row has this run.
func (id *Identity) Confirm(run string) error {
	return id.update(func() { id.RowRun = run })
}

// Cluster is the id of the cluster, empty until the node has one.
func (id *Identity) Cluster() string {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.ClusterID
}

// Enter notes, durably, which cluster the node is in, or is about to found.
func (id *Identity) Enter(cluster string, founding bool) error {
	return id.update(func() { id.ClusterID, id.Founding, id.Promise = cluster, founding, Promise{} })
}

// Promised is what the node has promised, as it is on the disk.
func (id *Identity) Promised() Promise {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.Promise
}

// Alone refuses that a node founds a cluster by itself that has given its word to another.
func (id *Identity) Alone() error {
	w := id.Promised().Word
	if w.Founder == "" || w.Founder == id.ID {
		return nil
	}
	return &advice.Error{Code: 6, Message: fmt.Sprintf("this node has given its word to %s (%s), which may found a cluster with it", w.Name, w.Peer),
		Try: "start it with the same --join and --bootstrap-expect as before, or with an empty --data directory"}
}

// promise changes what a node without a cluster has promised, durably: nobody sees a change
// that is not on the disk. It returns what it has promised then, and whether change said so.
func (id *Identity) promise(change func(Promise) (Promise, bool)) (Promise, bool, error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.ClusterID != "" {
		return Promise{}, false, nil
	}
	was := id.Promise
	next, ok := change(was)
	if next == was {
		return was, ok, nil
	}
	id.Promise = next
	if err := id.save(); err != nil {
		id.Promise = was
		return was, false, err
	}
	return next, ok, nil
}

// enterAsFounder notes, durably, that the node is about to found a cluster, if what it has
// promised lets it, and tells whether it does.
func (id *Identity) enterAsFounder(cluster string, lets func(Promise) bool) (bool, error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.ClusterID != "" || !lets(id.Promise) {
		return false, nil
	}
	was := id.Promise
	id.ClusterID, id.Founding, id.Promise = cluster, true, Promise{}
	if err := id.save(); err != nil {
		id.ClusterID, id.Founding, id.Promise = "", false, was
		return false, err
	}
	return true, nil
}

// Others are the peer addresses of other members, as last known.
func (id *Identity) Others() []string {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.Members
}

// LogMade notes, durably, the id of the raft log that was made here.
func (id *Identity) LogMade(log string) error { return id.update(func() { id.Log = log }) }

// Founded notes, durably, that there is a cluster now: losing raft's directory must never
// make a second one of the same name.
func (id *Identity) Founded() error {
	if !id.Founding {
		return nil
	}
	return id.update(func() { id.Founding = false })
}

// Note notes the cluster's format and where the other members are, where that is news.
func (id *Identity) Note(format uint32, others []string) error {
	if format <= id.ClusterFormat && slices.Equal(others, id.Others()) {
		return nil
	}
	return id.update(func() { id.ClusterFormat, id.Members = max(format, id.ClusterFormat), others })
}

// update changes node.json while other parts may do so too.
func (id *Identity) update(change func()) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	change()
	return id.save()
}

func (id *Identity) save() error {
	data, err := seal(id)
	if err != nil {
		return err
	}
	path := filepath.Join(id.dir, "node.json")
	err = atomicfile.Write(id.disk, path, data, 0o600)
	if errors.Is(err, syscall.ENOSPC) && id.makeRoom() == nil {
		err = atomicfile.Write(id.disk, path, data, 0o600)
	}
	if err != nil {
		return &advice.Error{Message: fmt.Sprintf("cannot write node.json: %v", err), Try: "make room on the disk of the --data directory, or mend its permissions", Err: err}
	}
	return nil
}
