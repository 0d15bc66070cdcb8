package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// enqueueTimeout bounds how long raft may take to accept a request. It says
// nothing about how long the request takes from there.
const enqueueTimeout = 10 * time.Second

// Apply commits an entry and returns what the state machine of this node made
// of it, with its index. A response that is an error is returned as err.
//
// It fails with ErrNotLeader or ErrBusy when nothing was done, and with
// ErrUnknown when the entry was handed over but leadership was lost, ctx
// ended or the cluster was closed before its fate was known.
func (c *Cluster) Apply(ctx context.Context, entry []byte) (response any, index uint64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("apply entry: %w", context.Cause(ctx))
	}
	var future raft.ApplyFuture
	err = c.await(ctx, func() error {
		future = c.raft.Apply(entry, enqueueTimeout)
		return future.Error()
	})
	if err != nil {
		return nil, 0, fmt.Errorf("apply entry: %w", c.translate(err))
	}
	if refused, ok := future.Response().(error); ok {
		return nil, future.Index(), refused
	}
	return future.Response(), future.Index(), nil
}

// await waits for one of raft's futures, which know no context. When ctx ends
// first, or raft is down, the goroutine is left behind until raft answers:
// raft drops what was queued when it shut down, and nothing may wait for that.
func (c *Cluster) await(ctx context.Context, call func() error) error {
	select {
	case <-c.down:
		return ErrClosed
	default:
	}
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.down:
		return raft.ErrRaftShutdown
	}
}

// translate tells what certainly did not happen from what may have.
func (c *Cluster) translate(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return c.notLeader()
	case errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return &NotLeaderError{} // whoever it will be
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return ErrBusy
	case errors.Is(err, ErrClosed):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}

func (c *Cluster) notLeader() error {
	id, addr := c.Leader()
	if id == c.cfg.ID {
		return &NotLeaderError{} // lost a moment ago
	}
	return &NotLeaderError{LeaderID: id, LeaderAddr: addr}
}
