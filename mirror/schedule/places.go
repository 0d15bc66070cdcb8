package schedule

// lane bounds how many runs of one kind are under way. There are two, so that a run
// that waits for a peer takes no place of those that ask an upstream.
type lane struct {
	limit   int
	running int
	waiting []*repo // in the order they came
	closed  bool    // nothing more is started
}

// host bounds how many repositories of one upstream host are worked on, so that one that
// hangs delays only its own.
type host struct {
	name    string
	running int
	waiting []*repo
}

// admit starts r, which is due, or has it wait for a place. s.mu is held.
func (s *Scheduler) admit(r *repo, now instant) {
	step := s.stepOf(r, now)
	n := &run{step: step, lane: &s.peers, ended: make(chan struct{})}
	asks := r.terms.owner && step.AsksUpstream()
	if asks {
		n.lane = &s.upstreams
	}
	if n.lane.closed {
		return
	}
	if n.lane.running >= n.lane.limit {
		n.lane.waiting = append(n.lane.waiting, r)
		r.phase = Waiting
		return
	}
	if asks {
		n.host = s.host(r.terms.host.Value())
		if n.host.running >= s.cfg.ChecksPerHost {
			n.host.waiting = append(n.host.waiting, r)
			r.phase = Waiting
			return
		}
		n.host.running++
	}
	n.lane.running++
	s.start(r, n, now)
}

// host returns the places of an upstream's host. s.mu is held.
func (s *Scheduler) host(name string) *host {
	h := s.hosts[name]
	if h == nil {
		h = &host{name: name}
		s.hosts[name] = h
	}
	return h
}

// leave gives back what a run held and starts who waited for it. s.mu is held.
func (s *Scheduler) leave(n *run) {
	n.lane.running--
	if h := n.host; h != nil {
		h.running--
		for h.running < s.cfg.ChecksPerHost && len(h.waiting) > 0 {
			h.waiting = s.admitFirst(h.waiting)
		}
		if h.running == 0 && len(h.waiting) == 0 {
			delete(s.hosts, h.name)
		}
	}
	for n.lane.running < n.lane.limit && len(n.lane.waiting) > 0 {
		n.lane.waiting = s.admitFirst(n.lane.waiting)
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
