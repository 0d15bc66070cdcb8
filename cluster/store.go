package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	storeFile       = "raft.db"
	storeLockWait   = time.Second
	snapshotsKept   = 2
	cachedEntries   = 512
	termKey         = "CurrentTerm" // raft's own name for it
	bootstrapTerm   = 1
	directoryAccess = 0o700
)

// store is what raft keeps in its directory: raft.db, a bbolt file with the
// log and the votes, and snapshots/.
type store struct {
	*raft.LogCache
	stable    *raftboltdb.BoltStore
	snapshots raft.SnapshotStore
}

func openStore(dir string, log hclog.Logger) (*store, error) {
	if err := os.MkdirAll(dir, directoryAccess); err != nil {
		return nil, fmt.Errorf("make raft directory: %w", err)
	}
	path := filepath.Join(dir, storeFile)
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
		return nil, fmt.Errorf("open %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s := &store{stable: bolt}
	if err := s.complete(dir, log); err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	return s, nil
}

func (s *store) complete(dir string, log hclog.Logger) error {
	if err := syncDir(dir); err != nil {
		return err
	}
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

// syncDir makes the names of new files durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync raft directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync raft directory: %w", err)
	}
	return nil
}

// found makes this node a cluster of one, unless it is part of one already.
func (s *store) found(conf *raft.Config, transport raft.Transport, advertise string) error {
	if err := s.forgetHalfFounded(); err != nil {
		return err
	}
	err := raft.BootstrapCluster(conf, s, s.stable, s.snapshots, transport, raft.Configuration{
		Servers: []raft.Server{{Suffrage: raft.Voter, ID: conf.LocalID, Address: raft.ServerAddress(advertise)}},
	})
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("found cluster: %w", err)
	}
	return nil
}

// forgetHalfFounded undoes what a crash in the middle of founding leaves: a
// term, and no entry. raft takes it for the state of a cluster.
func (s *store) forgetHalfFounded() error {
	last, err := s.LastIndex()
	if err != nil {
		return fmt.Errorf("read raft log: %w", err)
	}
	snapshots, err := s.snapshots.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	term, err := s.stable.GetUint64([]byte(termKey))
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return fmt.Errorf("read raft term: %w", err)
	}
	if last > 0 || len(snapshots) > 0 || term != bootstrapTerm {
		return nil
	}
	if err := s.stable.SetUint64([]byte(termKey), 0); err != nil {
		return fmt.Errorf("reset raft term: %w", err)
	}
	return nil
}

func (s *store) Close() error {
	if err := s.stable.Close(); err != nil {
		return fmt.Errorf("close raft store: %w", err)
	}
	return nil
}
