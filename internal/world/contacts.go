package world

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// failover is how long after another node was made a repository's owner the one before may
// go on asking upstream: it may be cut off, and has to find out for itself.
const failover = 30 * time.Second

// contacts are which nodes have asked upstreams, and when.
type contacts struct {
	mu     sync.Mutex
	checks []contact
	over   bool
	newest uint64    // of the log, as answers tell
	clones []contact // that brought a whole copy, where there was none
}

type contact struct {
	node, name string // of the repository
	at         time.Time
	index      uint64 // of the log, that had been heard of anywhere before
}

func (c *contacts) checked(node, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.checks = append(c.checks, contact{node, name, time.Now(), c.newest})
	}
}

// end has nothing noted any more: nodes are stopped one by one, and what the last ones write
// nobody can ask for.
func (c *contacts) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// at notes a place in the log that somebody has answered from.
func (c *contacts) at(index uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = max(c.newest, index)
}

func (c *contacts) cloned(node, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clones = append(c.clones, contact{node, name, time.Now(), c.newest})
}

// against says which nodes have asked upstream that had no business there, and which have
// cloned it while a node that was never marred, and was not down for long, had a copy.
func (c *contacts) against(log *chronicle, unmarred func(node string) bool) (flaws []string) {
	first := 0 // the first contact that was less than failover before
	for _, now := range c.checks {
		for now.at.Sub(c.checks[first].at) > failover {
			first++
		}
		owned := false
		for id, versions := range log.rows {
			if versions[0].row.Name == now.name {
				owned = owned || log.between(id, c.checks[first].index, log.last, func(v version) bool { return v.owner == now.node })
			}
		}
		if !owned {
			flaws = append(flaws, fmt.Sprintf("%s: %s asks the upstream of %s, which it has not owned for %s",
				now.at.Format(time.TimeOnly), now.node, now.name, failover))
		}
	}
	for _, now := range c.clones {
		expected := func(node string) bool { return unmarred(node) && log.downFor(node, now.at) < replaceAfter-noticed }
		for id, versions := range log.rows {
			if versions[0].row.Name == now.name && log.between(id, now.index, now.index, func(v version) bool {
				return v.row != nil && !v.row.Removed && slices.ContainsFunc(v.holders(), expected)
			}) {
				flaws = append(flaws, fmt.Sprintf("%s: %s clones the upstream of %s, of which there are copies", now.at.Format(time.TimeOnly), now.node, now.name))
			}
		}
	}
	return flaws
}
