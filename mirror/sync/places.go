package sync

import (
	"sync"

	"golang.org/x/sync/semaphore"
)

// places bound what is asked of one peer at a time: one that is frozen must not take
// the places of those that copy from others.
type places struct {
	perPeer int
	fetches int64                // of one peer, at once
	kick    func(id string) bool // has a repository tried again, unless nobody wants that any more

	mu    sync.Mutex
	peers map[string]*place
}

// place is all that is taken at one peer.
type place struct {
	running int
	waiting []string            // repositories that found no place, and no other peer
	waits   map[string]struct{} // those: a node that has joined has all its rows wait
	fetches *semaphore.Weighted
}

func newPlaces(perPeer int, fetches int64, kick func(id string) bool) *places {
	return &places{perPeer: perPeer, fetches: share(fetches), kick: kick, peers: map[string]*place{}}
}

// share is how many of n fetches one host or peer may have under way: those that
// hang there must leave room for the others'.
func share(n int64) int64 { return max(n-1, 1) }

// take takes a place at a peer, if one is free.
func (p *places) take(peer string) (*place, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.peers[peer]
	if at == nil {
		at = &place{fetches: semaphore.NewWeighted(p.fetches), waits: map[string]struct{}{}}
		p.peers[peer] = at
	}
	if at.running >= p.perPeer {
		return nil, false
	}
	at.running++
	return at, true
}

// await has a repository tried again as soon as the peer has a place free.
func (p *places) await(peer, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.peers[peer]
	if at == nil {
		return
	}
	if _, waits := at.waits[id]; !waits {
		at.waiting, at.waits[id] = append(at.waiting, id), struct{}{}
	}
}

// leave gives the place back, and has the first that waits for it tried.
func (p *places) leave(peer string, at *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at.running--
	for kicked := false; !kicked && len(at.waiting) > 0; at.waiting = at.waiting[1:] {
		delete(at.waits, at.waiting[0])
		kicked = p.kick(at.waiting[0])
	}
	if at.running == 0 && len(at.waiting) == 0 {
		delete(p.peers, peer)
	}
}
