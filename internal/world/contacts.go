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
	newest uint64            // of the log, as answers tell
	own    map[string]uint64 // as each node's last answer tells
	clones []contact         // that brought a whole copy, where there was none
	wished []contact         // that people have asked a node for
}

type contact struct {
	node, name string // of the repository
	url        string // that was asked
	at         time.Time
	index      uint64 // of the log, that had been heard of anywhere before
	own        uint64 // that the node had told of before
}

func (c *contacts) contact(node, name string) contact {
	return contact{node: node, name: name, at: time.Now(), index: c.newest, own: c.own[node]}
}

func (c *contacts) checked(node, name, url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		check := c.contact(node, name)
		check.url = url
		c.checks = append(c.checks, check)
	}
}

// asked notes that people ask a node to have upstream asked.
func (c *contacts) asked(node, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wished = append(c.wished, c.contact(node, name))
}

// end has nothing noted any more: nodes are stopped one by one, and what the last ones write
// nobody can ask for.
func (c *contacts) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// at notes a place in the log that a node has answered from.
func (c *contacts) at(node string, index uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = max(c.newest, index)
	if c.own == nil {
		c.own = map[string]uint64{}
	}
	c.own[node] = index
}

func (c *contacts) cloned(node, name, url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clone := c.contact(node, name)
	clone.url = url
	c.clones = append(c.clones, clone)
}

// asks is that a node asks a forge for what a source of that name lists; false where that is not noted any more.
func (c *contacts) asks(node, source string) (contact, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.contact(node, source), !c.over
}

// awaited tells whether somebody waits for a check: a node makes it as long as it takes
// itself for the owner, also where it has not heard for long who is.
func (c *contacts) awaited(check contact) bool {
	return slices.ContainsFunc(c.wished, func(w contact) bool {
		return w.name == check.name && !w.at.After(check.at) && check.at.Sub(w.at) <= failover
	})
}

// awaitedLately tells whether somebody may wait for a check of what is paused: it is made when
// it can be, however long its upstream, or others before it, takes.
func (c *contacts) awaitedLately(check contact) bool {
	return slices.ContainsFunc(c.wished, func(w contact) bool {
		return w.name == check.name && !w.at.After(check.at) && check.at.Sub(w.at) <= 5*time.Minute
	})
}

// has tells whether a row has an upstream's address.
func (v version) has(url string) bool { return v.row != nil && slices.Contains(v.row.URLs(), url) }

// pausedAt tells whether a node that asks an upstream had heard that it is paused, or that nobody wants it mirrored
// any more, half a minute before, and nobody had anything to say to what it shows since.
func (c *chronicle) pausedAt(now contact) bool {
	for id, versions := range c.rows {
		if !c.when(id, now.at).has(now.url) {
			continue
		}
		paused := false // before and since
		for _, v := range versions {
			if v.at.After(now.at) {
				break
			}
			still := v.row != nil && !v.row.Removed && (v.row.Paused || !v.row.Sourced.RetiredAt().IsZero()) && v.row.Word() == 0
			if before := v.from <= now.own && !v.at.After(now.at.Add(-failover)); before {
				paused = still
			} else {
				paused = paused && still
			}
		}
		if paused {
			return true
		}
	}
	return false
}

// against says which nodes have asked upstream that had no business there, and which have
// cloned it while a node that was never marred, and was not down for long, had a copy that
// was not empty.
func (c *contacts) against(log *chronicle, unmarred func(node string) bool) (flaws []string) {
	first := 0 // the first contact that was less than failover before
	for _, now := range c.checks {
		for now.at.Sub(c.checks[first].at) > failover {
			first++
		}
		owned := false
		from := c.checks[first].index
		if c.awaited(now) {
			from = min(from, now.own)
		}
		for id := range log.rows {
			owned = owned || log.between(id, from, log.last, func(v version) bool { return v.owner == now.node && v.has(now.url) })
		}
		if !owned {
			flaws = append(flaws, fmt.Sprintf("%s: %s asks the upstream of %s, which it has not owned for %s, or not at %s",
				now.at.Format(time.TimeOnly), now.node, now.name, failover, now.url))
		}
	}
	for _, now := range c.checks {
		if log.pausedAt(now) && !c.awaitedLately(now) {
			flaws = append(flaws, fmt.Sprintf("%s: %s asks the upstream of %s, which is paused, or wanted by nobody", now.at.Format(time.TimeOnly), now.node, now.name))
		}
	}
	for _, now := range c.clones {
		expected := func(node string) bool { return unmarred(node) && log.downFor(node, now.at) < replaceAfter-noticed }
		for id := range log.rows {
			copied := func(v version) bool {
				return v.has(now.url) && !v.row.Removed && v.row.Refs > 0 && slices.ContainsFunc(v.holders(), expected)
			}
			if log.between(id, now.index, now.index, copied) && copied(log.when(id, now.at)) {
				flaws = append(flaws, fmt.Sprintf("%s: %s clones the upstream of %s, of which there are copies", now.at.Format(time.TimeOnly), now.node, now.name))
			}
		}
	}
	return flaws
}
