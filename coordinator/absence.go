package coordinator

import (
	"sync"
	"time"

	"gitmirror/fsm"
)

// absences measures how long nodes have been down on this node's monotonic
// clock: no wrong clock stops the replacement of what they held, or hurries it.
// What was measured before this term is taken from the log, if its dates hold.
type absences struct {
	mu    sync.Mutex
	known map[string]absence // by node id
}

type absence struct {
	since    time.Time // of the row's state, to tell one absence from the next
	seen     time.Time // when this leader first saw it
	credited time.Duration
}

func (a *absences) of(view *fsm.View, n *fsm.Node, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen, ok := a.known[n.ID]
	if !ok || !seen.since.Equal(n.Since) {
		seen = absence{since: n.Since, seen: now}
		if view.DatesHold() {
			seen.credited = max(view.Now().Sub(n.Since), 0)
		}
		if a.known == nil {
			a.known = map[string]absence{}
		}
		a.known[n.ID] = seen
	}
	return seen.credited + now.Sub(seen.seen)
}
