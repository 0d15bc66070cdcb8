package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"gitmirror/internal/disk"
)

// Position is an entry of the log.
type Position struct {
	Term  uint64 `json:"term"`
	Index uint64 `json:"index"`
}

// Compare tells which of two logs is further, as raft does for votes: by the term of the last
// entry, then by its index.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Term, other.Term), cmp.Compare(p.Index, other.Index))
}

// Remains is what is left of a group in one node's directory.
type Remains struct {
	Last     Position // the end: of the log, or of the snapshot where that is further
	Log      Position // zero where the log is empty
	Snapshot Position // of the newest, zero where there is none
	Term     uint64   // that the node was in
}

// Examine reads how far the raft state in dir is, of a log with that id, and changes nothing.
// It does not verify more than what it reads. No process may use the directory.
func Examine(d *disk.Disk, dir, logID string) (r Remains, err error) {
	path := filepath.Join(dir, storeFile)
	info, err := d.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, &LogLostError{Path: path, Reason: "is gone"}
	case err != nil:
		return r, &StoreError{Op: "open", Path: path, Err: err}
	case info.Size() == 0:
		return r, &LogLostError{Path: path, Reason: "is empty"}
	}
	l, err := openLedgerTo(d, path, true)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := (&store{ledger: l}).identify(path, logID); err != nil {
		return r, err
	}
	is, err := l.reach()
	if err != nil {
		return r, err
	}
	r.Log, r.Term = Position{is.term, is.index}, is.current
	names, err := (&snapshots{dir: dir, disk: d}).list()
	if err != nil {
		return r, err
	}
	if len(names) > 0 {
		r.Snapshot = Position{names[0].term, names[0].index}
	}
	r.Last = r.Log
	if r.Snapshot.Compare(r.Log) > 0 {
		r.Last = r.Snapshot
	}
	return r, nil
}

// Recover makes the raft state in cfg.Dir that of a group of this node alone, at
// cfg.Advertise: all entries of its log count as committed. It verifies all of it before, and
// may be repeated when it was interrupted. cfg.FSM is used for that alone: its Snapshot is asked
// for when all entries were applied, and before anything is written, and fails where that is not
// to be.
//
// What a majority had acknowledged, and this log does not have, is lost. The group has to have
// another ClusterID from then on: who is of the one before must not take this node for one of
// its own.
func Recover(cfg Config) (err error) {
	cfg = cfg.withDefaults("")
	if cfg.LogID == "" {
		return &LogLostError{Path: filepath.Join(cfg.Dir, storeFile), Reason: "was never noted"} // openStore would make one
	}
	log := newBridge(cfg.Log, raftCeiling, new(atomic.Bool), cfg.NameOf).hclog()
	store, err := openStore(cfg, log)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	conf := raftConfig(cfg)
	conf.Logger = log
	done := make(chan error, 1)
	go func() { // the store ends the goroutine whose call it cannot answer
		defer close(done)
		store.serve(func() uint64 { return 0 })
		_, transport := raft.NewInmemTransport(raft.ServerAddress(cfg.Advertise)) // nobody is called
		done <- raft.RecoverCluster(conf, cfg.FSM, store, store.stable, store.snapshots, transport, raft.Configuration{
			Servers: []raft.Server{{Suffrage: raft.Voter, ID: conf.LocalID, Address: raft.ServerAddress(cfg.Advertise)}},
		})
	}()
	err, answered := <-done
	if !answered {
		err = store.ledger.failure()
	}
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	return nil
}
