package mirror

import "gitmirror/mirror/work"

// lane bounds how many jobs of one kind run at once. There are two, so that a
// job that waits for a peer takes no place of those that ask an upstream.
type lane struct {
	limit   int
	running int
	waiting []string // jobs that are due, in the order they came
	closed  bool     // nothing more is started
}

// host bounds how many repositories of one upstream host are worked on.
type host struct {
	name    string
	running int
	waiting []string
}

// laneOf is where a run of j for that step belongs.
func (e *Engine) laneOf(j *job, s work.Step) *lane {
	if (work.Task{Assignment: j.want, Step: s}).AsksUpstream() {
		return &e.upstreams
	}
	return &e.peers
}

// host returns the places of an upstream's host. Engine.mu is held.
func (e *Engine) host(name string) *host {
	h := e.hosts[name]
	if h == nil {
		h = &host{name: name}
		e.hosts[name] = h
	}
	return h
}

// leave gives back what a run held and starts who waited for it. Engine.mu is
// held.
func (e *Engine) leave(r *run) {
	r.lane.running--
	if h := r.host; h != nil {
		h.running--
		for h.running < e.cfg.ChecksPerHost && len(h.waiting) > 0 {
			h.waiting = e.unpark(h.waiting)
		}
		if h.running == 0 && len(h.waiting) == 0 {
			delete(e.hosts, h.name)
		}
	}
	for r.lane.running < r.lane.limit && len(r.lane.waiting) > 0 {
		r.lane.waiting = e.unpark(r.lane.waiting)
	}
}

// unpark admits the first of those who wait and returns the others.
func (e *Engine) unpark(waiting []string) []string {
	id := waiting[0]
	if j := e.jobs[id]; j != nil {
		j.parked = false
		e.admit(id)
	}
	return waiting[1:]
}
