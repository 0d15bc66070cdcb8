package cluster

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

const bootstrapTerm = 1

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
	last, err := s.ledger.last()
	if err != nil {
		return fmt.Errorf("read raft log: %w", err)
	}
	snapshots, err := s.snapshots.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	term, err := s.stable.GetUint64([]byte(termKey))
	if err != nil {
		return fmt.Errorf("read raft term: %w", err)
	}
	if last > 0 || len(snapshots) > 0 || term != bootstrapTerm {
		return nil
	}
	if err := s.ledger.mark.lower(func(r *reach) { r.current = 0 }); err != nil {
		return fmt.Errorf("reset raft term: %w", err)
	}
	if err := s.stable.SetUint64([]byte(termKey), 0); err != nil {
		return fmt.Errorf("reset raft term: %w", err)
	}
	return nil
}
