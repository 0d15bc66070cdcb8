package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gitmirror/internal/atomicfile"
)

const (
	storeFile       = "raft.db"
	storeLockWait   = time.Second
	snapshotsKept   = 2
	cachedEntries   = 512
	directoryAccess = 0o700

	// logIDKey is where a log keeps its id, beside raft's own keys.
	logIDKey = "LogID"
)

// store is what raft keeps in its directory: raft.db, a bbolt file with the
// log and the votes, and snapshots/.
type store struct {
	*raft.LogCache
	id        string // of the log, made with it
	stable    *raftboltdb.BoltStore
	snapshots raft.SnapshotStore
}

// openStore opens the log in dir. Where there is none it makes one, unless
// logID says that there was one.
func openStore(dir, logID string, log hclog.Logger) (*store, error) {
	path := filepath.Join(dir, storeFile)
	_, err := os.Stat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && logID != "":
		return nil, &LogLostError{Path: path, Reason: "is gone"}
	case missing:
		err = makeStore(dir, path)
	}
	if err != nil {
		return nil, fmt.Errorf("make raft store: %w", err)
	}
	bolt, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	s := &store{stable: bolt}
	if err := errors.Join(s.identify(path, logID), s.complete(dir, log)); err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	return s, nil
}

func openBolt(path string) (*raftboltdb.BoltStore, error) {
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout:        storeLockWait,
			NoFreelistSync: true,
			FreelistType:   bbolt.FreelistMapType,
		},
		MsgpackUseNewTimeFormat: true,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return bolt, nil
}

// makeStore makes an empty log with an id. It gets its name when it is whole
// and durable, so that a raft.db that exists is never half made.
func makeStore(dir, path string) error {
	if err := os.MkdirAll(dir, directoryAccess); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	bolt, err := openBolt(unfinished)
	if err != nil {
		return err
	}
	if err := errors.Join(bolt.Set([]byte(logIDKey), []byte(uuid.NewString())), bolt.Close()); err != nil {
		return err
	}
	return atomicfile.Rename(unfinished, path)
}

// identify refuses any log but the one that was noted. A log without an id is
// never ours: it was made by hand, or by the bbolt library from an empty file.
func (s *store) identify(path, logID string) error {
	id, err := s.stable.Get([]byte(logIDKey))
	switch {
	case errors.Is(err, raftboltdb.ErrKeyNotFound):
		return &LogLostError{Path: path, Reason: "is empty"}
	case err != nil:
		return fmt.Errorf("read the id of %s: %w", path, err)
	case logID != "" && string(id) != logID:
		return &LogLostError{Path: path, Reason: "is another log"}
	}
	s.id = string(id)
	return nil
}

func (s *store) complete(dir string, log hclog.Logger) error {
	cache, err := raft.NewLogCache(cachedEntries, s.stable)
	if err != nil {
		return fmt.Errorf("make log cache: %w", err)
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, log)
	if err != nil {
		return fmt.Errorf("open snapshots: %w", err)
	}
	s.LogCache, s.snapshots = cache, indexedSnapshots{snapshots}
	return nil
}

func (s *store) Close() error {
	if err := s.stable.Close(); err != nil {
		return fmt.Errorf("close raft store: %w", err)
	}
	return nil
}
