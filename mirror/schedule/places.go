package schedule

import (
	"slices"

	"gitmirror/mirror/work"
)

// lane bounds how many runs of one kind are under way: that of what others wait for is
// never taken by what takes long. Runs that wait for peers, that ask upstreams, and that
// fetch from them are apart, and of the last the first copies from those that are here
// and go on. Those who wait for a place have it by turns of their hosts: a host with a long
// line delays its own. What somebody waits for comes before all else, in the order in which
// it was asked for.
type lane struct {
	limit   int
	perHost int // runs at one upstream's host; 0 for no bound, and one line of all
	running int
	waiting []*host // with a line, whose turn it is first
	hosts   map[string]*host
	closed  bool // nothing more is started
}

// host bounds how many repositories of one upstream host are worked on in a lane, so that
// one that hangs delays only its own.
type host struct {
	name    string
	running int
	probed  bool // it has said that it is asked for too much: one at a time, until it answers
	// waiting are those that somebody waits for, then the others, each in the order they
	// came. Who does not wait any more leaves when its turn comes.
	waiting []*repo
}

func newLane(limit, perHost int) lane {
	return lane{limit: limit, perHost: perHost, hosts: map[string]*host{}}
}

// line is in whose line those of an upstream's host stand.
func (l *lane) line(host string) string {
	if l.perHost == 0 {
		return ""
	}
	return host
}

// host returns the places of an upstream's host.
func (l *lane) host(name string) *host {
	name = l.line(name)
	h := l.hosts[name]
	if h == nil {
		h = &host{name: name}
		l.hosts[name] = h
	}
	return h
}

func (l *lane) full() bool { return l.running >= l.limit }

func (l *lane) fullAt(h *host) bool {
	return h != nil && l.perHost > 0 && (h.running >= l.perHost || h.probed && h.running > 0)
}

// take gives a run places that are free.
func (l *lane) take(n *run, h *host) {
	l.running++
	h.running++
	n.lane, n.host = l, h
}

// tidy forgets a host at which nobody is.
func (l *lane) tidy(h *host) {
	if h.running == 0 && len(h.waiting) == 0 && l.hosts[h.name] == h {
		delete(l.hosts, h.name)
	}
}

// laneOf is where the next run of r belongs. s.mu is held.
func (s *Scheduler) laneOf(r *repo, step work.Step) *lane {
	switch {
	case !r.terms.owner || !step.AsksUpstream():
		return &s.peers
	case r.fetch:
		return s.fetching(r)
	}
	return &s.upstreams
}

// fetching is where a run of r brings objects. s.mu is held.
func (s *Scheduler) fetching(r *repo) *lane {
	if s.cfg.Disk.Held(r.id).Generation == 0 {
		return &s.firsts
	}
	return &s.fetches
}

// admit starts r, which is due, or has it wait for a place. s.mu is held.
func (s *Scheduler) admit(r *repo, now instant) {
	n := &run{step: s.stepOf(r, now), ended: make(chan struct{})}
	l := s.laneOf(r, n.step)
	if l.closed || s.alone && l != &s.peers && !r.forced {
		return // it is idle, until Alone says otherwise
	}
	if l == &s.upstreams && s.postpone(r, now) {
		return
	}
	host := s.hostNow(r, now)
	h := l.host(host.Value())
	if l == &s.upstreams {
		h.probed = s.probes(host)
	}
	if l.full() || l.fullAt(h) {
		l.join(h, r)
		r.phase = Waiting
		return
	}
	l.take(n, h)
	s.start(r, n, now)
}

// toFetch has a run of r that has asked go on among those that fetch, if there is a place
// for it: others ask meanwhile.
func (s *Scheduler) toFetch(r *repo, n *run) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.lane != &s.upstreams {
		return true
	}
	l := s.fetching(r)
	h := l.host(n.host.name)
	if l.full() || l.fullAt(h) {
		l.tidy(h)
		return false
	}
	was := *n
	l.take(n, h)
	s.leave(&was)
	return true
}

// leave gives back what a run held and starts who waited for it. s.mu is held.
func (s *Scheduler) leave(n *run) {
	l, h := n.lane, n.host
	l.running--
	h.running--
	s.fill(l)
	l.tidy(h)
}

// fill starts who waits in a lane, as far as there are places. s.mu is held.
func (s *Scheduler) fill(l *lane) {
	for !l.full() {
		at, r := l.next()
		if r == nil {
			break
		}
		if r.phase == Waiting { // who does not wait any more is passed over
			r.phase = Idle
			s.admit(r, s.now())
		}
		l.tidy(at)
	}
}

// next takes the first out of the line of the host whose turn it is, nil where nobody who
// waits can have a place.
func (l *lane) next() (*host, *repo) {
	for i, h := range l.waiting {
		if l.fullAt(h) {
			continue
		}
		r := h.waiting[0]
		h.waiting[0] = nil
		l.waiting = slices.Delete(l.waiting, i, i+1)
		if h.waiting = h.waiting[1:]; len(h.waiting) > 0 {
			l.waiting = append(l.waiting, h)
			l.preferHost(h)
		}
		return h, r
	}
	return nil, nil
}

// join puts r into the line of h.
func (l *lane) join(h *host, r *repo) {
	if h.waiting = append(h.waiting, r); len(h.waiting) == 1 {
		l.waiting = append(l.waiting, h)
	}
	if r.forced {
		l.prefer(h, r)
	}
}

// prefer has one that stands in the line of h, and that somebody waits for, come before all
// but those that somebody has waited for longer. perHost still bounds what its host gets.
func (l *lane) prefer(h *host, r *repo) {
	forward(h.waiting, r, func(r *repo) bool { return r.forced })
	l.preferHost(h)
}

// preferHost has the turn of a host come before all in whose lines nobody is waited for.
func (l *lane) preferHost(h *host) {
	if h.waiting[0].forced {
		forward(l.waiting, h, func(h *host) bool { return h.waiting[0].forced })
	}
}

// forward moves one that stands in a line, if it does, before the first that is not
// preferred.
func forward[T comparable](line []T, one T, preferred func(T) bool) {
	from := slices.Index(line, one)
	to := slices.IndexFunc(line[:max(from, 0)], func(t T) bool { return !preferred(t) })
	if to >= 0 {
		copy(line[to+1:from+1], line[to:from])
		line[to] = one
	}
}

// want has upstream asked for r before all that nobody waits for. s.mu is held.
func (s *Scheduler) want(r *repo, now instant) {
	r.forced = true
	if r.phase == Waiting {
		for _, l := range []*lane{&s.upstreams, &s.fetches, &s.firsts, &s.peers} {
			if h := l.hosts[l.line(s.hostNow(r, now).Value())]; h != nil && slices.Contains(h.waiting, r) {
				l.prefer(h, r)
			}
		}
	}
	s.kick(r, now)
}
