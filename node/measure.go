package node

import (
	"time"

	"gitmirror/metrics"
)

// measure begins to count; the process's own numbers, where it is this node's, until stop.
func (n *node) measure() (stop func(), err error) {
	cfg := metrics.Config{Build: metrics.Build{Version: n.cfg.Version, Commit: n.cfg.Commit}, Read: n.parts.reading, Log: n.log}
	stop = func() {}
	if n.cfg.OwnProcess {
		if cfg.Process, err = metrics.TakeProcess(); err != nil {
			return nil, err
		}
		stop = cfg.Process.GiveBack
	}
	n.metrics = metrics.New(cfg)
	return stop, nil
}

// reading is what is true of this node now. It is asked once the node is built, and waits
// for nothing.
func (p *parts) reading() metrics.Reading {
	raft := metrics.Raft{Leads: p.cluster.IsLeader(), Term: p.cluster.Term(), Committed: p.cluster.CommitIndex(), Contact: -1, LeaderChanges: p.cluster.LeaderChanges()}
	if heard := p.cluster.LastContact(); raft.Leads {
		raft.Contact = 0
	} else if !heard.IsZero() {
		raft.Contact = max(time.Since(heard), 0)
	}
	return metrics.Reading{Raft: raft, Table: p.server.Counts(), Mirror: p.engine.Load()}
}
