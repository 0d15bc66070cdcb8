package world

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gitmirror/fsm"
	"gitmirror/internal/disk"
)

// removals are the copies that nodes have put away, and when.
type removals struct {
	mu   sync.Mutex
	list []removal
}

type removal struct {
	by *Node
	id string // of the repository
	at time.Time
}

// note takes in a directory that is about to be moved to a node's trash.
func (rs *removals) note(by *Node, op disk.Op) {
	if op.Name != "rename" || filepath.Base(filepath.Dir(op.Path)) != "trash" {
		return
	}
	id, _, _ := strings.Cut(filepath.Base(op.Path), ".")
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.list = append(rs.list, removal{by, id, time.Now()})
}

// against says which copies were put away that were complete once, and that the log had not
// had removed: of a row that is gone, or of a node that is not a member any more, they stay.
func (rs *removals) against(log *chronicle) (flaws []string) {
	for _, r := range rs.list {
		if r.by.has(bitInCopy) || r.by.has(twin) { // of no use, or of two who did not know of each other
			continue
		}
		whole, told := false, false
		for _, v := range log.rows[r.id] {
			if !v.at.After(r.at) {
				whole, told = whole || v.readyOn(r.by.Name), told || v.leaves(r.by.Name)
			}
		}
		if whole && !told {
			flaws = append(flaws, fmt.Sprintf("%s: %s has put its copy of %s away, which the log did not say", r.at.Format(time.TimeOnly), r.by.Name, r.id))
		}
	}
	return flaws
}

// leaves tells whether a node's copy is to leave.
func (v version) leaves(node string) bool {
	c, _ := v.copyOn(node)
	return v.row != nil && c.State == fsm.CopyLeaving
}
