package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"
)

// mendPause is how long to wait where a snapshot cannot be taken now.
const mendPause = time.Second

// mendLog replaces damaged records that were applied already: it has a snapshot
// taken that covers them, and drops them. raft then sends that snapshot to
// whoever lacks them.
func (c *Cluster) mendLog(ctx context.Context) {
	for {
		var index uint64
		select {
		case index = <-c.store.spoiled:
		case <-ctx.Done():
			return
		}
		c.cfg.Log.Warn("a record of the raft log or a snapshot is damaged, the node has what was in it; a new snapshot takes its place", "index", index)
		for {
			err := c.mend(ctx, index)
			if err == nil {
				break
			}
			c.cfg.Log.Debug("the raft log is not mended yet", "index", index, "err", err)
			select {
			case <-time.After(mendPause):
			case <-ctx.Done():
				return
			}
		}
	}
}

var errNoSnapshot = errors.New("no snapshot reaches the record")

func (c *Cluster) mend(ctx context.Context, index uint64) error {
	covered := func() bool { return c.store.snapshots.reach(index) }
	if !covered() {
		if err := c.await(ctx, func() error { return c.raft.Snapshot().Error() }); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
			return err
		}
	}
	if !covered() {
		return errNoSnapshot
	}
	return c.store.ledger.drop(0, index)
}
