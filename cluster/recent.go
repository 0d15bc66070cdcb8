package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// What is kept of the log in memory: so many entries, of so many bytes in all.
const (
	recentEntries = 512
	recentSize    = 4 << 20
)

// recent is the log with its latest entries in memory, which followers are sent and the state
// machine is given as a rule. raft.LogCache counts entries alone, and one of ours may have a
// mebibyte.
type recent struct {
	raftLog
	most    int // bytes
	mu      sync.RWMutex
	entries []*raft.Log // without gaps, the oldest first
	size    int
}

// GetLog implements raft.LogStore.
func (c *recent) GetLog(index uint64, into *raft.Log) error {
	if entry := c.find(index); entry != nil {
		*into = *entry
		return nil
	}
	return c.raftLog.GetLog(index, into)
}

func (c *recent) find(index uint64) *raft.Log {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.entries) == 0 {
		return nil
	}
	first := c.entries[0].Index
	if index < first || index-first >= uint64(len(c.entries)) {
		return nil
	}
	return c.entries[index-first]
}

// StoreLog implements raft.LogStore.
func (c *recent) StoreLog(entry *raft.Log) error { return c.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore. What is not on the disk is not among the latest.
func (c *recent) StoreLogs(entries []*raft.Log) error {
	if err := c.raftLog.StoreLogs(entries); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, entry := range entries {
		if n := len(c.entries); n > 0 && entry.Index != c.entries[n-1].Index+1 {
			c.forget()
		}
		c.entries = append(c.entries, entry)
		c.size += len(entry.Data)
	}
	drop := 0
	for len(c.entries)-drop > recentEntries || c.size > c.most {
		c.size -= len(c.entries[drop].Data)
		drop++
	}
	clear(c.entries[:drop]) // the array is shared with what stays
	c.entries = c.entries[drop:]
	return nil
}

// DeleteRange implements raft.LogStore.
func (c *recent) DeleteRange(first, last uint64) error {
	c.mu.Lock()
	c.forget()
	c.mu.Unlock()
	return c.raftLog.DeleteRange(first, last)
}

func (c *recent) forget() { c.entries, c.size = nil, 0 }
