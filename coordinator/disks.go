package coordinator

import (
	"sync"
	"time"

	"gitmirror/fsm"
)

// ownAgainAfter is how long after its last trouble a node is given no repos to
// own while others can: a disk that comes and goes must not have them moved
// back and forth.
const ownAgainAfter = 10 * time.Minute

// troubled remembers, within a term, which nodes could not do an owner's work.
type troubled struct {
	mu   sync.Mutex
	last map[string]time.Time // by node id
}

// mayOwn tells whether a node can do an owner's work: fetch what is new, and
// serve it.
func (t *troubled) mayOwn(n *fsm.Node, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.Sick != nil || n.Disk != nil && n.Disk.Class != fsm.DiskLow {
		if t.last == nil {
			t.last = map[string]time.Time{}
		}
		t.last[n.ID] = now
		return false
	}
	at, was := t.last[n.ID]
	return !was || now.Sub(at) >= ownAgainAfter
}

func (t *troubled) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = nil
}
