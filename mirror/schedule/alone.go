package schedule

import "time"

// returnWithin is over what time what was due is spread, of a node that is not alone any more
// or of what is not paused any more.
const returnWithin = 5 * time.Second

// Alone says whether this node is cut off from all who could take what it finds. While it
// is, upstreams are asked only for checks that somebody waits for: another node asks them by
// now, and one cluster asks each upstream once. What is under way goes on, and so does what
// asks peers. What was due meanwhile is idle, and due soon when it is said that this is over.
func (s *Scheduler) Alone(alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.alone
	if s.alone = alone; alone || !was {
		return
	}
	now := s.now()
	for _, r := range s.repos {
		if r.assigned && r.terms.owner && r.phase == Idle {
			s.queue.set(r, now.add(s.spread(min(r.every, returnWithin))))
		}
	}
	s.dispatch()
}

// Returned says that another node is up again which was down. What this node asks others for
// less and less often, since whoever had it may be gone for good, is asked for soon, and as
// often as in the beginning.
func (s *Scheduler) Returned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, r := range s.repos {
		if !r.assigned || !r.terms.owner || r.recovery == nil {
			continue
		}
		r.recovery = &recovery{next: min(r.recovery.next, now.add(s.spread(returnWithin)))}
		s.advance(r, r.recovery.next)
	}
	s.dispatch()
}
