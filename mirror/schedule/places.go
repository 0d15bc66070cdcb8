package schedule

import "gitmirror/mirror/work"

// lane bounds how many runs of one kind are under way: that of what others wait for is
// never taken by what takes long. Runs that wait for peers, that ask upstreams, and that
// fetch from them are apart, and of the last the first copies from those that are here
// and go on.
type lane struct {
	limit   int
	perHost int // runs at one upstream's host; 0 for no bound
	running int
	waiting []*repo // in the order they came
	hosts   map[string]*host
	closed  bool // nothing more is started
}

// host bounds how many repositories of one upstream host are worked on in a lane, so that
// one that hangs delays only its own.
type host struct {
	name    string
	running int
	waiting []*repo
}

func newLane(limit, perHost int) lane {
	return lane{limit: limit, perHost: perHost, hosts: map[string]*host{}}
}

// host returns the places of an upstream's host, nil where they are not counted.
func (l *lane) host(name string) *host {
	if l.perHost == 0 {
		return nil
	}
	h := l.hosts[name]
	if h == nil {
		h = &host{name: name}
		l.hosts[name] = h
	}
	return h
}

func (l *lane) full() bool { return l.running >= l.limit }

func (l *lane) fullAt(h *host) bool { return h != nil && h.running >= l.perHost }

// take gives a run places that are free.
func (l *lane) take(n *run, h *host) {
	if l.running++; h != nil {
		h.running++
	}
	n.lane, n.host = l, h
}

// tidy forgets a host at which nobody is.
func (l *lane) tidy(h *host) {
	if h != nil && h.running == 0 && len(h.waiting) == 0 {
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
		return
	}
	if l.full() {
		l.waiting = append(l.waiting, r)
		r.phase = Waiting
		return
	}
	h := l.host(r.terms.host.Value())
	if l.fullAt(h) {
		h.waiting = append(h.waiting, r)
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
	if h != nil {
		h.running--
		for !l.fullAt(h) && len(h.waiting) > 0 {
			h.waiting = s.admitFirst(h.waiting)
		}
		l.tidy(h)
	}
	for !l.full() && len(l.waiting) > 0 {
		l.waiting = s.admitFirst(l.waiting)
	}
}

// admitFirst admits the first of those who wait and returns the others. Who does not
// wait any more is passed over.
func (s *Scheduler) admitFirst(waiting []*repo) []*repo {
	r := waiting[0]
	waiting[0] = nil
	if r.phase == Waiting {
		r.phase = Idle
		s.admit(r, s.now())
	}
	return waiting[1:]
}
