package cluster

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Server is a node in the raft configuration.
type Server struct {
	ID    string
	Addr  string
	Voter bool
}

// Servers is the latest raft configuration this node knows.
func (c *Cluster) Servers() ([]Server, error) {
	future := c.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return nil, fmt.Errorf("read servers: %w", err)
	}
	var servers []Server
	for _, s := range future.Configuration().Servers {
		servers = append(servers, Server{ID: string(s.ID), Addr: string(s.Address), Voter: s.Suffrage == raft.Voter})
	}
	return servers, nil
}

// agreedAddr is a server's address in the latest configuration.
func (c *Cluster) agreedAddr(id string) (string, bool) {
	r := c.opened.Load()
	if r == nil {
		return "", false
	}
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if string(s.ID) == id {
			return string(s.Address), true
		}
	}
	return "", false
}

// AddNonvoter makes a node receive the log. For a node that is a server
// already, voter or not, it changes the address and nothing else.
func (c *Cluster) AddNonvoter(ctx context.Context, id, addr string) error {
	if err := dialable(addr); err != nil {
		return fmt.Errorf("add %s: %w", id, err)
	}
	return c.reconfigure(ctx, "add", id, func() raft.IndexFuture {
		return c.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(addr), 0, enqueueTimeout)
	})
}

// Promote gives a server a vote. raft would do so at once, and wait for a
// server that lags or is down with every commit, so it fails with
// ErrNotCaughtUp unless CaughtUp.
func (c *Cluster) Promote(ctx context.Context, id string) error {
	if !c.IsLeader() {
		return fmt.Errorf("promote %s: %w", id, c.notLeader())
	}
	addr, ok := c.agreedAddr(id)
	if !ok {
		return fmt.Errorf("promote %s: %w", id, ErrNotServer)
	}
	if !c.CaughtUp(id) {
		return fmt.Errorf("promote %s: %w", id, ErrNotCaughtUp)
	}
	return c.reconfigure(ctx, "promote", id, func() raft.IndexFuture {
		return c.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(addr), 0, enqueueTimeout)
	})
}

// Demote takes a server's vote.
func (c *Cluster) Demote(ctx context.Context, id string) error {
	return c.reconfigure(ctx, "demote", id, func() raft.IndexFuture {
		return c.raft.DemoteVoter(raft.ServerID(id), 0, enqueueTimeout)
	})
}

// RemoveServer ends replication to a server and takes its vote. Removing one
// that is not there is no error.
func (c *Cluster) RemoveServer(ctx context.Context, id string) error {
	err := c.reconfigure(ctx, "remove", id, func() raft.IndexFuture {
		return c.raft.RemoveServer(raft.ServerID(id), 0, enqueueTimeout)
	})
	if err == nil {
		c.progress.forget(id)
	}
	return err
}

// reconfigure makes one change. ErrUnknown means what it means for Apply: look
// at Servers.
func (c *Cluster) reconfigure(ctx context.Context, verb, id string, change func() raft.IndexFuture) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", verb, id, context.Cause(ctx))
	}
	if err := c.await(ctx, func() error { return change().Error() }); err != nil {
		return fmt.Errorf("%s %s: %w", verb, id, c.translate(err))
	}
	return nil
}

// Removed is closed when this node learns that the group has agreed to go on
// without it. That is certain only for a leader that removed itself: raft stops
// talking to a removed server, often before it has heard that its removal is
// committed.
func (c *Cluster) Removed() <-chan struct{} { return c.removed }

// watchRemoval looks for this node in a configuration that was committed, now
// or long ago: the log is replayed after a restart, and may hold a removal
// that was followed by a return.
func (c *Cluster) watchRemoval(configuration raft.Configuration) {
	if c.opened.Load() == nil {
		return // there is no latest configuration to compare with
	}
	for _, s := range configuration.Servers {
		if string(s.ID) == c.cfg.ID {
			c.member.Store(true)
			return
		}
	}
	wasMember := c.member.Swap(false)
	if _, isMember := c.agreedAddr(c.cfg.ID); wasMember && !isMember {
		c.removedOnce.Do(func() { close(c.removed) })
	}
}
