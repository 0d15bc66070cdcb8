package clustertest

import (
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/hashicorp/raft"
)

// ErrRefused is what Counter answers to the entry Refuse.
var ErrRefused = errors.New("refused by the state machine")

// Refuse is an entry that Counter answers with an error.
const Refuse = "refuse"

// Counter is a state machine that counts entries and answers with the count.
type Counter struct {
	mu    sync.Mutex
	count uint64
}

// Count is how many entries were applied.
func (c *Counter) Count() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// Apply implements raft.FSM.
func (c *Counter) Apply(entry *raft.Log) any {
	if string(entry.Data) == Refuse {
		return ErrRefused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	return c.count
}

// Snapshot implements raft.FSM.
func (c *Counter) Snapshot() (raft.FSMSnapshot, error) { return frozen(c.Count()), nil }

// Restore implements raft.FSM.
func (c *Counter) Restore(snapshot io.ReadCloser) error {
	var count uint64
	if err := json.NewDecoder(snapshot).Decode(&count); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count = count
	return nil
}

type frozen uint64

func (f frozen) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode(uint64(f)); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (f frozen) Release() {}
