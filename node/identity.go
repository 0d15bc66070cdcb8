package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"gitmirror/cluster"
	"gitmirror/fsm"
	"gitmirror/internal/atomicfile"
)

// identity is node.json: who this data directory is.
type identity struct {
	Format    int    `json:"format"`
	ID        string `json:"id"`
	ClusterID string `json:"cluster_id,omitempty"` // empty until it has joined or founded one
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
	// Members are the peer addresses of the other members, as last known.
	Members []string `json:"members,omitempty"`

	mu sync.Mutex // of changes while the node runs
}

// maxRuns is how many runs a directory remembers: a member that was away for long may
// ask for an old one.
const maxRuns = 1000

// dataFormat is the layout of the data directory. A newer one is refused.
const dataFormat = 1

func loadIdentity(dir string) (*identity, error) {
	path := filepath.Join(dir, "node.json")
	data, err := os.ReadFile(path)
	log := filepath.Join(dir, "raft", "raft.db")
	_, noLog := os.Lstat(log)
	if errors.Is(err, fs.ErrNotExist) {
		// node.json is durable before the log is made: a log without it is of an
		// identity that is lost, and must not vote for a new one.
		if !errors.Is(noLog, fs.ErrNotExist) {
			return nil, &Error{Message: fmt.Sprintf("%s is gone, but the raft log %s is there: whose it is, is lost", path, log), Err: err,
				Try: "restore node.json from a backup, or start this node anew with an empty --data directory"}
		}
		id := &identity{Format: dataFormat, ID: uuid.NewString()}
		return id, id.save(dir)
	}
	if err != nil {
		return nil, &Error{Message: fmt.Sprintf("cannot read node.json: %v", err), Try: "mend the permissions and the disk of the --data directory", Err: err}
	}
	id := &identity{}
	if err := json.Unmarshal(data, id); err != nil {
		return nil, &Error{Message: fmt.Sprintf("%s cannot be read: %v", path, err), Err: err,
			Try: "restore it from a backup, or start this node anew with an empty --data directory"}
	}
	if id.Format > dataFormat {
		return nil, &Error{Message: fmt.Sprintf("%s has format %d, this gitmirror knows up to %d", path, id.Format, dataFormat),
			Try: "start it with the newer gitmirror that wrote it"}
	}
	if uuid.Validate(id.ID) != nil {
		return nil, &Error{Message: path + " has no node id", Try: "start this node anew with an empty --data directory"}
	}
	if id.ClusterID == "" && noLog == nil {
		return nil, &Error{Message: fmt.Sprintf("%s names no cluster, but the raft log %s is there: whose it is, is lost", path, log),
			Try: "restore node.json from a backup, or start this node anew with an empty --data directory"}
	}
	if id.ClusterFormat > fsm.Format {
		return nil, &Error{Message: fmt.Sprintf("%s belongs to a cluster of format %d, this gitmirror speaks up to %d", dir, id.ClusterFormat, fsm.Format),
			Try: "start it with the newer gitmirror that the other nodes run"}
	}
	return id, nil
}

// begin notes a new run, durably.
func (id *identity) begin(dir, run string) error {
	return id.update(dir, func() {
		id.Runs = append(id.Runs, run)
		if drop := len(id.Runs) - maxRuns; drop > 0 {
			if at := slices.Index(id.Runs, id.RowRun); at >= 0 && at < drop {
				id.Runs[drop] = id.RowRun // in the place of the oldest that stays
			}
			id.Runs = id.Runs[drop:]
		}
	})
}

// confirm notes, durably, that the row has this run.
func (id *identity) confirm(dir, run string) error {
	return id.update(dir, func() { id.RowRun = run })
}

// cluster is the id of the cluster, empty until the node has one.
func (id *identity) cluster() string {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.ClusterID
}

// enter notes, durably, which cluster the node is in, or is about to found.
func (id *identity) enter(dir, cluster string, founding bool) error {
	return id.update(dir, func() { id.ClusterID, id.Founding = cluster, founding })
}

// members are the peer addresses of other members, as last known.
func (id *identity) members() []string {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.Members
}

// update changes node.json while other parts may do so too.
func (id *identity) update(dir string, change func()) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	change()
	return id.save(dir)
}

func (id *identity) save(dir string) error {
	data, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "node.json")
	err = atomicfile.Write(path, append(data, '\n'), 0o600)
	if errors.Is(err, syscall.ENOSPC) && cluster.GiveUpReserve(filepath.Join(dir, "raft")) == nil {
		err = atomicfile.Write(path, append(data, '\n'), 0o600)
	}
	if err != nil {
		return &Error{Message: fmt.Sprintf("cannot write node.json: %v", err), Try: "make room on the disk of the --data directory, or mend its permissions", Err: err}
	}
	return nil
}

// lockPatience is how long a start waits for the git children of a killed run:
// they inherited the lock and end with their parent.
const lockPatience = 10 * time.Second

// lockDir makes the data directory and takes it for this process. The lock is
// inherited by children, so that it outlives us as long as one of them lives.
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &Error{Message: fmt.Sprintf("cannot make the data directory: %v", err), Try: "choose another with --data", Err: err}
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &Error{Message: fmt.Sprintf("cannot use the data directory: %v", err), Try: "choose another with --data, or mend its permissions", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock the data directory: %w", err), f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(&Error{Message: fmt.Sprintf("the data directory %s is in use by another process", dir),
				Try: "stop the other node, or choose another directory with --data"}, f.Close())
		}
	}
}
