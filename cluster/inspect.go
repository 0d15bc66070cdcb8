package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/hashicorp/raft"
)

// snapshotName is what raft calls a snapshot's directory: term-index-time.
type snapshotName struct {
	id          string
	term, index uint64
}

func parseSnapshotName(id string) (snapshotName, bool) {
	n := snapshotName{id: id}
	var ms int64
	_, err := fmt.Sscanf(id, "%d-%d-%d", &n.term, &n.index, &ms)
	return n, err == nil && id == fmt.Sprintf("%d-%d-%d", n.term, n.index, ms)
}

// list names the snapshots, newest first, readable or not.
func (s *snapshots) list() ([]snapshotName, error) {
	entries, err := s.disk.ReadDir(filepath.Join(s.dir, snapshotFolder))
	if err != nil {
		return nil, &StoreError{Op: "read", Path: s.dir, Err: err}
	}
	var names []snapshotName
	for _, e := range entries {
		if n, ok := parseSnapshotName(e.Name()); ok && e.IsDir() {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b snapshotName) int {
		return -cmp.Or(cmp.Compare(a.term, b.term), cmp.Compare(a.index, b.index), cmp.Compare(a.id, b.id))
	})
	return names, nil
}

// inspect reads the whole log, the values and the newest snapshot before raft
// does, which panics over what it cannot read.
//
//   - A record that raft would apply must be there and whole, or the start is
//     refused.
//   - A damaged record that the newest snapshot covers is dropped, with all
//     before it: peers that lack it are sent the snapshot.
//   - A damaged snapshot is set aside if an older one, or none, and the log
//     lead to the same state. The log does if it has the snapshot's last entry:
//     equal index and term mean an equal past.
func (s *store) inspect(log *slog.Logger) error {
	names, err := s.snapshots.list()
	if err != nil {
		return err
	}
	var (
		base    uint64 // of the newest snapshot that is whole
		damaged []snapshotName
		first   error
	)
	for _, n := range names {
		_, content, err := s.snapshots.verified(n.id)
		if err == nil {
			base = n.index
			_ = content.Close()
			break
		}
		if !errors.Is(err, ErrDamaged) {
			return err
		}
		damaged, first = append(damaged, n), cmp.Or(first, err)
	}
	spoiled, err := s.scan(base)
	switch {
	case err != nil && first != nil:
		return first // without the snapshot the log does not reach
	case err != nil:
		return err
	}
	for _, n := range damaged {
		var last raft.Log
		if n.index <= base {
			continue
		}
		if err := s.ledger.entry(n.index, &last); err != nil || last.Term != n.term {
			return first
		}
	}
	for _, n := range damaged {
		if err := s.snapshots.setAside(n.id); err != nil {
			return err
		}
		log.Warn("a damaged snapshot was set aside, the log has all of it", "snapshot", n.id)
	}
	if spoiled > 0 {
		log.Warn("a damaged record of the raft log was dropped, a snapshot has it", "index", spoiled)
		if err := s.ledger.drop(0, spoiled); err != nil {
			return err
		}
	}
	return s.inspectValues()
}

// scan verifies the log. It returns the last damaged record up to base, and an
// error about the first one behind it.
func (s *store) scan(base uint64) (spoiled uint64, err error) {
	last, err := s.ledger.last()
	if err != nil {
		return 0, err
	}
	var record raft.Log
	for index := base + 1; index <= last; index++ {
		err := s.ledger.entry(index, &record)
		if errors.Is(err, raft.ErrLogNotFound) {
			return 0, &DamagedError{Path: s.ledger.path, Index: index, Err: errMissing}
		}
		if err != nil {
			return 0, err
		}
	}
	// An installed snapshot may leave a gap, of any size. What lies below it is of
	// no use to a peer, which would need what is missing too.
	for index := min(base, last); index > 0; index-- {
		err := s.ledger.entry(index, &record)
		var damaged *DamagedError
		switch {
		case errors.Is(err, raft.ErrLogNotFound):
			return 0, nil
		case errors.As(err, &damaged) && damaged.Index == index:
			return index, nil
		case err != nil:
			return 0, err
		}
	}
	return 0, nil
}

func (s *store) inspectValues() error {
	for _, name := range raftValues {
		value, err := s.ledger.value([]byte(name))
		switch {
		case errors.Is(err, errNoValue):
			return &DamagedError{Path: s.ledger.path, Value: name, Err: errMissing}
		case err != nil:
			return err
		case name != votedForKey && len(value) != 8:
			return &DamagedError{Path: s.ledger.path, Value: name, Err: errChecksum}
		}
	}
	return nil
}
