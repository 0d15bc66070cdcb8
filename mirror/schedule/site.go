package schedule

import (
	"time"
	"unique"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/rhythm"
	"gitmirror/mirror/work"
)

// site is what is to be known of a host of upstreams beyond who is at it: until when it wants
// to be left alone, and how much of it may be asked. Of most hosts there is nothing to know.
type site struct {
	until    instant // it is left alone
	said     instant // when it has said so last
	refusals int     // that it has said so, in a row
	to       string  // whom it has said so last

	rate   float64      // checks a second that may be made from here, 0 for any number
	crowd  rhythm.Crowd // those whose intervals are learned
	fixed  float64      // checks a second of the others
	others int
	tempo  rhythm.Tempo // at which the crowd takes what the others leave
	solved instant      // when that was found out, for so many
	of     int
	next   instant // when a check is to be made, at the earliest, that has no place yet
}

// counted is how a repository is counted at its site.
type counted uint8

const (
	notCounted counted = iota
	ofCrowd
	ofOthers
)

// Of what a host may be asked for, so much is planned, and so much may be made at once that
// was not made before.
const (
	planned    = 0.95
	burstOver  = time.Minute
	steadyOver = time.Hour
	burstLeast = 100
)

// site returns what is known of a host. s.mu is held.
func (s *Scheduler) site(host unique.Handle[string]) *site {
	t := s.sites[host]
	if t == nil {
		t = &site{until: never, said: never, solved: never, next: never}
		s.sites[host] = t
	}
	return t
}

// tidy forgets a site of which there is nothing to know. s.mu is held.
func (s *Scheduler) tidySite(host unique.Handle[string], t *site) {
	if t.refusals == 0 && t.crowd.Len() == 0 && t.others == 0 {
		delete(s.sites, host)
	}
}

// count has a repository that asks its host take its share of what that may be asked, if that
// is bounded. s.mu is held.
func (s *Scheduler) count(r *repo, measure float64) *site {
	if s.cfg.Rate == nil || !r.assigned || !r.terms.owner || r.terms.paused {
		return nil
	}
	rate := s.cfg.Rate(r.host().Value())
	if rate <= 0 {
		return nil
	}
	t := s.site(r.host())
	t.rate = rate
	if r.terms.interval > 0 {
		r.counted = ofOthers
		t.fixed += 1 / r.terms.interval.Seconds()
		t.others++
		return t
	}
	r.counted, r.slot = ofCrowd, rhythm.Slot(measure)
	t.crowd.Join(r.slot)
	return t
}

// uncount takes that back, while r has still the terms it was counted with. s.mu is held.
func (s *Scheduler) uncount(r *repo) {
	if r.counted == notCounted {
		return
	}
	t := s.site(r.host())
	if r.counted == ofCrowd {
		t.crowd.Leave(r.slot)
	} else {
		t.fixed -= 1 / r.terms.interval.Seconds()
		if t.others--; t.others == 0 {
			t.fixed = 0 // not what is left of sums
		}
	}
	r.counted = notCounted
	s.tidySite(r.host(), t)
}

// tempo is at which those of a site are looked at whose intervals are learned. It is found out
// anew each minute, and when they have become twice as many.
func (s *Scheduler) tempo(t *site, host string, now instant) rhythm.Tempo {
	if t == nil {
		return rhythm.Usual
	}
	if n := t.crowd.Len(); t.solved == never || time.Duration(now-t.solved) >= time.Minute || n >= 2*t.of {
		is := t.crowd.Tempo(max(planned*t.rate-t.fixed, 0), s.cfg.Bounds)
		if t.solved != never && n < 2*t.of {
			is = t.tempo.Towards(is, float64(now-t.solved)/float64(steadyOver))
		}
		t.tempo, t.solved, t.of = is, now, n
	}
	return t.tempo
}

// hear takes what a check of a repository says of its host: that it is asked for too much. Then it
// is left alone by all, longer with each time, and tried by one alone, until a check succeeds that
// began since.
//
// How long it asks to be left alone counts for who has asked (see record), also while it rests
// already. It counts for all once two have heard that it is asked for too much, one after the other's rest:
// after the first, who may be the only one that is refused, another is tried within pauseMost. One
// that has several urls does not wait by itself: what it hears twice counts too. s.mu is held.
func (s *Scheduler) hear(r *repo, host unique.Handle[string], f *failure.Error, began, now instant) {
	if f != nil && f.Host {
		if t := s.site(host); now >= t.until { // else it is said to who asked before, or is waited for
			pause := min(pauseFirst<<min(t.refusals, 10), pauseMost)
			if t.refusals > 0 && (t.to != r.id || r.terms.urls() > 1) {
				pause = max(pause, f.RetryAfter)
			} else {
				pause = max(pause, min(f.RetryAfter, pauseMost))
			}
			t.until, t.to = now.add(pause+s.spread(pause/10)), r.id
			t.refusals++
			t.said = now
			s.probe(host, true)
			s.forgetRefusals(now)
		}
		return
	}
	if t := s.sites[host]; t != nil && t.refusals > 0 && began > t.said && (f == nil || f.Class != failure.Network && f.Class != failure.Timeout && !isOurs(f)) {
		t.until, t.refusals, t.to = never, 0, ""
		s.probe(host, false)
		s.reopened = true
		s.tidySite(host, t)
	}
}

// refusalKept is how long at least it is known of a host that it wanted to be left alone, once that is over,
// if nothing was heard of it since: nobody may ask it any more.
const refusalKept = 24 * time.Hour

// forgetRefusals forgets them. It is for who adds one, and looks at all of them once an hour. s.mu is
// held.
func (s *Scheduler) forgetRefusals(now instant) {
	if time.Duration(now-s.forgot) < time.Hour {
		return
	}
	s.forgot = now
	for host, t := range s.sites {
		if t.refusals > 0 && time.Duration(now-t.until) >= refusalKept {
			t.until, t.refusals, t.to = never, 0, ""
			s.probe(host, false)
			s.tidySite(host, t)
		}
	}
}

// A host that is asked for too much is left alone for as long as it says, once two have heard it, or
// for pauseFirst, and for no more than pauseMost: then one repository is looked at, by which
// nobody is asked for too much.
const (
	pauseFirst = 10 * time.Second
	pauseMost  = time.Minute
)

// Resting is for how long the host of a repository's upstream still wants to be left alone.
func (s *Scheduler) Resting(id string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[id]
	if r == nil {
		return 0
	}
	now := s.now()
	return s.restOf(s.hostNow(r, now), now)
}

// restOf is for how long a host still wants to be left alone. s.mu is held.
func (s *Scheduler) restOf(host unique.Handle[string], now instant) time.Duration {
	if t := s.sites[host]; t != nil && now < t.until {
		return time.Duration(t.until - now)
	}
	return 0
}

// rests tells whether it does. s.mu is held.
func (s *Scheduler) rests(host unique.Handle[string], now instant) bool {
	return s.restOf(host, now) > 0
}

// probe has a host asked for one repository at a time, or for as many as may be. s.mu is held.
func (s *Scheduler) probe(host unique.Handle[string], one bool) {
	if h := s.upstreams.hosts[host.Value()]; h != nil {
		h.probed = one
	}
}

// probes tells whether a host is asked for one repository at a time. s.mu is held.
func (s *Scheduler) probes(host unique.Handle[string]) bool {
	t := s.sites[host]
	return t != nil && t.refusals > 0
}

// postpone tells whether a repository whose time has come is not to be checked now, since its
// host wants to be left alone or may not be asked more: it is when it may, unless somebody waits
// for it. What there is to do for it without its upstream is done. s.mu is held.
func (s *Scheduler) postpone(r *repo, now instant) bool {
	host := s.hostNow(r, now)
	t := s.sites[host]
	if t == nil || now < r.nextCheck && !r.forced && !r.wished {
		return false
	}
	if t.rate > 0 {
		t.rate = s.cfg.Rate(host.Value()) // of what this node owns by now
	}
	wait := t.wait(r, now)
	if wait == 0 || r.forced {
		return false
	}
	r.nextCheck = now.add(wait)
	if now < t.until {
		r.nextCheck = r.nextCheck.add(s.spread(returnWithin))
	}
	if s.stepOf(r, now) != work.CheckUpstream || !r.terms.reconciled(s.cfg.Disk.Held(r.id)) {
		return false // it runs, and does not ask
	}
	s.queue.set(r, r.nextCheck)
	if r.terms.lost > 0 {
		s.queue.advance(r, max(r.recovers(), now)) // which asks holders
	}
	return true
}

// wait is how long a check has to wait for its site. One that has to has its place from then on.
func (t *site) wait(r *repo, now instant) time.Duration {
	if now < t.until {
		return time.Duration(t.until - now)
	}
	if t.rate == 0 {
		return 0
	}
	if r.reserved {
		r.reserved = false
		return 0
	}
	step := time.Duration(float64(time.Second) / t.rate)
	burst := max(burstOver, burstLeast*step)
	at := max(t.next, now.add(-burst))
	t.next = at.add(step)
	if at <= now || r.forced {
		return 0
	}
	r.reserved = true
	return time.Duration(at - now)
}
