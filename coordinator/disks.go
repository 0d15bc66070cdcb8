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

	moves map[string]time.Time // of repos that their owner could not write, by id
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

// mayMove tells whether a repo that its owner cannot write may get another: once
// in ten minutes. moved takes note that it does.
func (t *troubled) mayMove(repo string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, was := t.moves[repo]
	return !was || now.Sub(at) >= ownAgainAfter
}

func (t *troubled) moved(repo string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.moves == nil {
		t.moves = map[string]time.Time{}
	}
	for id, at := range t.moves {
		if now.Sub(at) >= ownAgainAfter {
			delete(t.moves, id)
		}
	}
	t.moves[repo] = now
}
