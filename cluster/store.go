package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/disk"
)

const (
	storeFile       = "raft.db"
	snapshotsKept   = 2
	directoryAccess = 0o700

	// logIDKey is where a log keeps its id, beside raft's own keys.
	logIDKey = "LogID"

	// raft's own names for them
	termKey     = "CurrentTerm"
	voteTermKey = "LastVoteTerm"
	votedForKey = "LastVoteCand"
)

// raftValues are all that raft keeps beside its log. A new log has them too, so
// that one that is missing was lost, and is not taken for a vote never given.
var raftValues = []string{termKey, voteTermKey, votedForKey}

// store is what raft keeps in its directory: raft.db, a bbolt file with the
// log and the votes, and snapshots/. Only raft may use it as its LogStore: see
// raftLog.
type store struct {
	*recent
	id        string // of the log, made with it
	ledger    *ledger
	stable    raftLog
	snapshots *snapshots
	spoiled   chan uint64 // indexes of damaged records that a snapshot has to replace
}

// openStore opens the log in dir and verifies all of it. Where there is none it
// makes one, unless cfg.LogID says that there was one.
func openStore(cfg Config, log hclog.Logger) (*store, error) {
	path := filepath.Join(cfg.Dir, storeFile)
	_, err := cfg.Disk.Stat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && cfg.LogID != "":
		return nil, &LogLostError{Path: path, Reason: "is gone"}
	case missing:
		err = makeStore(cfg.Disk, cfg.Dir, path)
	}
	if err != nil {
		return nil, fmt.Errorf("make raft store: %w", err)
	}
	info, err := cfg.Disk.Stat(path)
	if err == nil && info.Size() == 0 {
		return nil, &LogLostError{Path: path, Reason: "is empty"}
	}
	ledger, err := openLedger(cfg.Disk, path)
	if err != nil {
		return nil, err
	}
	s := &store{ledger: ledger, spoiled: make(chan uint64, 1)}
	if err = s.identify(path, cfg.LogID); err == nil {
		err = s.complete(cfg, log)
	}
	if err == nil && cfg.Mark != "" {
		ledger.mark = openMark(cfg.Disk, cfg.Mark, s.id, cfg.Log)
	}
	if err == nil {
		err = s.inspect(cfg.Log)
	}
	if err == nil {
		err = s.compare()
	}
	if err != nil {
		return nil, errors.Join(err, ledger.Close())
	}
	return s, nil
}

// compare refuses a log that is behind its mark.
func (s *store) compare() error {
	mark := s.ledger.mark
	if mark == nil {
		return nil
	}
	is, err := s.ledger.reach()
	if err != nil {
		return err
	}
	was := mark.at
	if mark.unknown && is.index > 0 {
		mark.log.Warn("the file that says how far the raft log was is gone or cannot be read: a log put back from a backup would not be noticed", "file", mark.file.Name())
	}
	if is.behind(was) {
		return &LogLostError{Path: s.ledger.path, Reason: fmt.Sprintf("is an older state of itself (it is in term %d and ends with entry %d of term %d; it was in term %d, with entry %d of term %d)",
			is.current, is.index, is.term, was.current, was.index, was.term)}
	}
	mark.follow(func(r *reach) { *r = is })
	return nil
}

// makeStore makes an empty log with an id. It gets its name when it is whole
// and durable, so that a raft.db that exists is never half made.
func makeStore(d *disk.Disk, dir, path string) error {
	if err := d.MkdirAll(dir, directoryAccess); err != nil {
		return err
	}
	if err := d.Sync(filepath.Dir(dir)); err != nil {
		return err
	}
	unfinished := path + ".new"
	if err := d.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ledger, err := openLedger(d, unfinished)
	if err != nil {
		return err
	}
	var zero [8]byte
	err = errors.Join(
		ledger.setValue([]byte(termKey), zero[:]),
		ledger.setValue([]byte(voteTermKey), zero[:]),
		ledger.setValue([]byte(votedForKey), nil),
		ledger.setValue([]byte(logIDKey), []byte(uuid.NewString())),
		ledger.Close(),
	)
	if err != nil {
		return err
	}
	return atomicfile.Rename(d, unfinished, path)
}

// identify refuses any log but the one that was noted. A log without an id was
// not made by makeStore.
func (s *store) identify(path, logID string) error {
	id, err := s.ledger.value([]byte(logIDKey))
	switch {
	case errors.Is(err, errNoValue):
		return &LogLostError{Path: path, Reason: "is empty"}
	case err != nil:
		return err
	case logID != "" && string(id) != logID:
		return &LogLostError{Path: path, Reason: "is another log"}
	}
	s.id = string(id)
	return nil
}

func (s *store) complete(cfg Config, log hclog.Logger) error {
	s.stable = raftLog{ledger: s.ledger, applied: func() uint64 { return 0 }, spoiled: s.spoil}
	files, err := raft.NewFileSnapshotStoreWithLogger(cfg.Dir, snapshotsKept, log)
	if err != nil {
		return &StoreError{Op: "open", Path: cfg.Dir, Err: err}
	}
	s.snapshots = &snapshots{SnapshotStore: files, dir: cfg.Dir, disk: cfg.Disk, ledger: s.ledger, spoiled: s.spoil}
	return s.snapshots.sweep()
}

// serve gives raft its log. applied is how far the state machine is.
func (s *store) serve(applied func() uint64) {
	s.stable.applied = applied
	s.recent = &recent{raftLog: s.stable, most: recentSize}
}

// spoil asks for a snapshot that makes the record at index unnecessary. One
// request at a time is enough: what is still damaged is found again.
func (s *store) spoil(index uint64) {
	select {
	case s.spoiled <- index:
	default:
	}
}

func (s *store) Close() error {
	if err := s.ledger.Close(); err != nil {
		return fmt.Errorf("close raft store: %w", err)
	}
	return nil
}
