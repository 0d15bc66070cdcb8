package world

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"gitmirror/internal/disk"
	"gitmirror/mirror/refs"
)

// candidates are the generations that nodes have prepared, by the ids that the log knows them
// by, and when. Where the log does not decide, because there is no leader, one waits on its
// owner's disk, and is published as it is when there is one again.
type candidates struct {
	mu   sync.Mutex
	made map[string]time.Time
}

// note takes in a candidate that is about to get its name on a disk.
func (c *candidates) note(op disk.Op) {
	if op.Name != "rename" || filepath.Base(op.Path) != "packed-refs.candidate" {
		return
	}
	data, err := os.ReadFile(op.Path + ".tmp")
	if err != nil {
		return
	}
	table, err := refs.Decode(data)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.made[table.Candidate]; !known { // who follows writes it too, later
		c.made[table.Candidate] = time.Now()
	}
}

// madeAt is when a candidate was prepared, zero where that was not seen.
func (c *candidates) madeAt(id string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[id]
}
