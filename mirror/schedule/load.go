package schedule

import "time"

// Load is how much there is to do, and how late it is.
type Load struct {
	Checks Line // of upstreams
	// Fetches are from upstreams: of copies that are here and go on, and Firsts of those
	// of which nothing is here yet.
	Fetches, Firsts Line
	Copies          Line // from peers
	// Ages is how long ago each repository that this node owns was checked, in no order;
	// those that never were are not among them.
	Ages  []time.Duration
	Stale int // of them, those whose check is older than three intervals
}

// Line is one lane's.
type Line struct {
	Running, Waiting int
	Oldest           time.Duration // since the first of those that wait was due
}

// Load looks at each repository once: it costs what Stale does.
func (s *Scheduler) Load() Load {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	load := Load{Checks: s.upstreams.load(now), Fetches: s.fetches.load(now), Firsts: s.firsts.load(now), Copies: s.peers.load(now)}
	for _, r := range s.repos {
		if !r.terms.owner || r.lastCheck == never {
			continue
		}
		load.Ages = append(load.Ages, time.Duration(now-r.lastCheck))
		if r.stale(now) {
			load.Stale++
		}
	}
	return load
}

// Running is how many runs are under way.
func (s *Scheduler) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upstreams.running + s.fetches.running + s.firsts.running + s.peers.running
}

func (l *lane) load(now instant) Line {
	line := Line{Running: l.running}
	for _, h := range l.waiting {
		for _, r := range h.waiting {
			if r.phase == Waiting { // others do not any more, and leave when their turn comes
				line.Waiting++
				line.Oldest = max(line.Oldest, time.Duration(now-r.due))
			}
		}
	}
	return line
}
