package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// Shutdown leaves in good order: leadership goes to another voter, the others
// hear that this node leaves gossip, then raft, its files and the port are
// closed. When ctx ends before that is done, the rest is done without waiting.
// It is idempotent; later calls wait for the first.
func (c *Cluster) Shutdown(ctx context.Context) error { return c.close(ctx, true) }

// Abort ends as a crash would, without a word to anybody.
func (c *Cluster) Abort(ctx context.Context) error { return c.close(ctx, false) }

func (c *Cluster) close(ctx context.Context, orderly bool) error {
	c.closeOnce.Do(func() {
		defer close(c.closed)
		c.closeErr = c.closeParts(ctx, orderly)
	})
	<-c.closed
	return c.closeErr
}

func (c *Cluster) closeParts(ctx context.Context, orderly bool) error {
	if orderly {
		c.handOver(ctx)
	}
	c.closing.Store(true)
	var errs []error
	if !orderly {
		errs = append(errs, c.port.Close())
	}
	errs = append(errs, c.gossip.stop(orderly), c.stopRaft(ctx), c.port.Close())
	close(c.down)
	c.stop()
	c.wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("shut down cluster: %w", err)
	}
	return nil
}

// handOver gives leadership to another voter, so that the cluster does not
// have to notice that this one is gone.
func (c *Cluster) handOver(ctx context.Context) {
	if !c.IsLeader() || !c.hasOtherVoter() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*c.cfg.Timing.election())
	defer cancel()
	if err := c.TransferLeadership(ctx); err != nil {
		c.cfg.Log.Warn("leaving without a successor, the others will elect one", "err", err)
	}
}

func (c *Cluster) hasOtherVoter() bool {
	for _, s := range c.raft.GetConfiguration().Configuration().Servers {
		if s.Suffrage == raft.Voter && string(s.ID) != c.cfg.ID {
			return true
		}
	}
	return false
}

// stopRaft waits for raft, unless its disk hangs, and then closes its files.
func (c *Cluster) stopRaft(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		stopped := c.raft.Shutdown()
		c.endCalls() // one to a node that is frozen would be waited for
		err := stopped.Error()
		c.transport.CloseStreams()
		done <- errors.Join(err, c.store.Close())
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("stop raft: %w", context.Cause(ctx))
	}
}

// undo closes what a failed Open has opened, and leaves the port to its owner.
func (c *Cluster) undo() {
	c.closing.Store(true)
	c.stop()
	c.port.detach()
	if c.gossip != nil {
		_ = c.gossip.stop(false)
	}
	if c.endCalls != nil {
		c.endCalls()
	}
	if c.raft != nil {
		_ = c.raft.Shutdown().Error()
	} else if c.transport != nil {
		_ = c.transport.Close()
	}
	if c.store != nil {
		_ = c.store.Close()
	}
}
