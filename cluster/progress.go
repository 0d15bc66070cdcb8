package cluster

import (
	"sync"
	"time"
)

// Progress is what a leader knows of a follower's log.
type Progress struct {
	Match   uint64    // the follower holds the log on disk up to here
	Last    uint64    // the end of the leader's log
	Contact time.Time // when the follower last answered
}

const (
	// caughtUpWithin is how many entries a follower may lag behind and still
	// be called caught up: a few batches, sent within milliseconds.
	caughtUpWithin = 256

	// caughtUpContacts is how many election timeouts ago a follower may have
	// answered last.
	caughtUpContacts = 4
)

// progress collects the answers of followers to the leader of a term. What
// was learned in an earlier term is void: a follower may have had to cut its
// log since.
type progress struct {
	mu    sync.Mutex
	peers map[string]*peerProgress
}

type peerProgress struct {
	term    uint64
	match   uint64
	contact time.Time
}

func newProgress() *progress { return &progress{peers: make(map[string]*peerProgress)} }

func (p *progress) note(id string, term, match uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	peer := p.peers[id]
	if peer == nil || peer.term < term {
		peer = &peerProgress{term: term}
		p.peers[id] = peer
	}
	if peer.term > term {
		return
	}
	peer.match = max(peer.match, match)
	peer.contact = time.Now()
}

func (p *progress) of(id string, term uint64) (match uint64, contact time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	peer := p.peers[id]
	if peer == nil || peer.term != term {
		return 0, time.Time{}, false
	}
	return peer.match, peer.contact, true
}

// forget drops a server that was removed.
func (p *progress) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.peers, id)
}

// Progress reports how far a server's log is. It knows only of servers that
// answered this node as the leader of the current term.
func (c *Cluster) Progress(id string) (Progress, bool) {
	if !c.IsLeader() {
		return Progress{}, false
	}
	last := c.raft.LastIndex()
	if id == c.cfg.ID {
		return Progress{Match: last, Last: last, Contact: time.Now()}, true
	}
	match, contact, ok := c.progress.of(id, c.Term())
	return Progress{Match: match, Last: last, Contact: contact}, ok
}

// CaughtUp says whether a server answered this leader a moment ago and holds
// nearly all of its log, so that giving it a vote costs nothing. Whether its
// state machine has applied the log is another question, for the server.
func (c *Cluster) CaughtUp(id string) bool {
	p, ok := c.Progress(id)
	return ok && p.Match > 0 && p.Match+caughtUpWithin >= p.Last &&
		time.Since(p.Contact) < caughtUpContacts*c.cfg.Timing.election()
}

// Answered tells when each other server has last answered this leader in its term, zero for
// not yet. A node that does not lead knows of none.
func (c *Cluster) Answered() map[string]time.Time {
	if !c.IsLeader() {
		return nil
	}
	answered, term := map[string]time.Time{}, c.Term()
	for _, s := range c.raft.GetConfiguration().Configuration().Servers {
		if id := string(s.ID); id != c.cfg.ID {
			_, answered[id], _ = c.progress.of(id, term)
		}
	}
	return answered
}
