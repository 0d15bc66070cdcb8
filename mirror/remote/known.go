package remote

import (
	"net/http"
	"sync"
	"time"
)

const (
	// movedFor is how long it is believed that an upstream has moved for good (301, 308).
	// git asks the URL each time; a check by one request is worth an hour of that.
	movedFor = time.Hour

	// What nobody asked for within unusedFor is forgotten, within twice that at the latest:
	// the repository may be gone. Who asks less often learns each time.
	unusedFor = 24 * time.Hour
	knownMost = 1 << 20
)

// known is what was learned of servers, by URL. Where the URL leads by a redirect that is
// temporary (302, 303, 307) nothing is kept: the URL is asked again by each check, as git
// does, since that is what such a redirect says.
type known struct {
	mu      sync.Mutex
	recent  map[string]server
	earlier map[string]server // not used since turned
	turned  time.Time
}

func (k *known) lookup(url string) (server, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turn()
	s, ok := k.recent[url]
	if !ok {
		if s, ok = k.earlier[url]; ok {
			k.recent[url] = s
		}
	}
	return s, ok && s.holds(time.Now())
}

func (k *known) remember(url string, s server) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turn()
	if s.v2 && s.holds(time.Now()) { // version 0 is told anew by each answer
		k.recent[url] = s
	}
}

// turn forgets what was not used since it did so before, when it is time. k.mu is held.
func (k *known) turn() {
	if now := time.Now(); now.Sub(k.turned) > unusedFor || len(k.recent) >= knownMost {
		k.recent, k.earlier, k.turned = map[string]server{}, k.recent, now
	}
}

func (k *known) forget(url string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.recent, url)
	delete(k.earlier, url)
}

// holds tells whether what was learned may still be so.
func (s server) holds(now time.Time) bool { return s.until.IsZero() || now.Before(s.until) }

// untilOf is how long the redirects that led to an answer may be followed unasked, zero
// where there was none.
func untilOf(answer *http.Response, now time.Time) (until time.Time) {
	for via := answer.Request.Response; via != nil; via = via.Request.Response {
		if !permanent(via) {
			return now
		}
		until = now.Add(movedFor)
	}
	return until
}
