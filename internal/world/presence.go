package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// What a person's request says of whether a repository is there.
const (
	asBefore = "as before"
	there    = "there"
	gone     = "gone"
	unclear  = "unclear"
)

// presence is what is known of whether a repository is there, while and after people ask for
// it, or to have it removed.
type presence struct {
	of      *Upstream
	asking  int
	crossed bool // several ask at once: who was first is not known
	unclear bool // until somebody looks when all is calm
}

// touch notes that somebody is about to change whether a repository is there.
func (r *run) touch(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.touches[name]
	if p == nil {
		p = &presence{}
		r.touches[name] = p
	}
	p.crossed = p.crossed || p.asking > 0
	p.asking++
}

// forgotten has a repository not count as acknowledged any more, and tells whether it did.
func (r *run) forgotten(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, was := r.known[name]
	delete(r.known, name)
	return was
}

// touched notes what that came to.
func (r *run) touched(u *Upstream, now string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := nameOf(u)
	p := r.touches[name]
	p.of = u
	p.asking--
	p.unclear = p.unclear || now == unclear || p.crossed && now != asBefore
	if p.asking == 0 {
		p.crossed = false
	}
	switch {
	case p.unclear || now == gone:
		delete(r.known, name)
	case now == there:
		r.known[name] = u
	}
}

// clear finds out, when nobody asks for anything any more, whether those are there of which
// that is not known.
func (r *run) clear() {
	r.mu.Lock()
	var list []*presence
	for _, p := range r.touches {
		if p.unclear {
			list = append(list, p)
		}
	}
	r.mu.Unlock()
	for _, p := range list {
		if err := r.clearOne(p); err != nil {
			r.violated("whether %s is there is not to be found out: %v", nameOf(p.of), err)
		}
	}
}

func (r *run) clearOne(p *presence) (err error) {
	for end := time.Now().Add(calmWithin); time.Now().Before(end); time.Sleep(time.Second) {
		for _, n := range r.nodes() {
			ctx, cancel := context.WithTimeout(context.Background(), patient)
			var row api.Repo
			row, err = n.Newest(ctx, nameOf(p.of))
			cancel()
			_, code := outcomeOf(err)
			if err == nil || code == string(refusal.NotFound) {
				r.mu.Lock()
				if p.unclear = false; err == nil && len(row.Claims) == 0 { // who wants it that a source wants, nobody tells
					r.known[nameOf(p.of)] = p.of
				}
				r.mu.Unlock()
				return nil
			}
		}
	}
	return fmt.Errorf("no node answers: %w", err)
}

func (r *run) upstreams() []*Upstream {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.repos)
}
