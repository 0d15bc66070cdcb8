package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"gitmirror/internal/signal"

	"github.com/hashicorp/raft"
)

// applied knows how far the state machine is. raft's own AppliedIndex counts
// what was queued for it, which a read must not rely on.
type applied struct {
	raft.FSM
	configured func(raft.Configuration)
	index      atomic.Uint64 // of the last command applied or snapshot restored
	changed    signal.Signal
	refused    error // why the state machine did not take the last snapshot
}

// Apply implements raft.FSM.
func (a *applied) Apply(entry *raft.Log) any {
	response := a.FSM.Apply(entry)
	a.reached(entry.Index)
	return response
}

// StoreConfiguration implements raft.ConfigurationStore: a change of servers
// passes through the queue of the state machine, and is nothing to it.
func (a *applied) StoreConfiguration(index uint64, configuration raft.Configuration) {
	a.configured(configuration)
	a.reached(index)
}

// Restore implements raft.FSM.
func (a *applied) Restore(snapshot io.ReadCloser) error {
	inner := snapshot
	if wrapped, ok := snapshot.(raft.ReadCloserWrapper); ok {
		inner = wrapped.WrappedReadCloser()
	}
	if err := a.FSM.Restore(snapshot); err != nil {
		a.refused = err // raft only logs it
		return err
	}
	if indexed, ok := inner.(*indexedSnapshot); ok {
		a.reached(indexed.index)
	}
	return nil
}

func (a *applied) reached(index uint64) {
	a.index.Store(index)
	a.changed.Fire()
}

// indexedSnapshot is a snapshot that knows its index when restored.
type indexedSnapshot struct {
	io.ReadCloser
	index uint64
}

// AppliedIndex is the index up to which the state machine of this node has
// applied the log. It can be compared with CommitIndex, ReadIndex and the
// index of an Apply.
func (c *Cluster) AppliedIndex() uint64 {
	queued := c.raft.AppliedIndex()
	index := max(c.applied.index.Load(), c.quietUpTo.Load())
	// What raft writes for itself never reaches the state machine: step over
	// it, as long as no command is in between.
	for index < queued {
		var entry raft.Log
		err := c.store.ledger.entry(index+1, &entry)
		if err == nil && entry.Type == raft.LogCommand {
			break
		}
		if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
			break
		}
		index++ // not found: compacted, so it is part of a snapshot we took
	}
	index = max(index, c.applied.index.Load())
	for {
		known := c.quietUpTo.Load()
		if index <= known || c.quietUpTo.CompareAndSwap(known, index) {
			return index
		}
	}
}

// quietPoll is how often WaitApplied looks whether raft has passed an entry of
// its own, of which nobody is told.
const quietPoll = 5 * time.Millisecond

// WaitApplied returns when the state machine of this node has applied the log
// up to index.
func (c *Cluster) WaitApplied(ctx context.Context, index uint64) error {
	for {
		changed := c.applied.changed.Next()
		if c.AppliedIndex() >= index {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(quietPoll):
		case <-c.down:
			return fmt.Errorf("wait for index %d: %w", index, ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("wait for index %d: %w", index, context.Cause(ctx))
		}
	}
}
