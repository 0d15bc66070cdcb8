package schedule

import (
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/rhythm"
	"gitmirror/mirror/work"
)

// DefaultBounds are of how long one is left alone whose interval is learned.
var DefaultBounds = rhythm.Bounds{Least: 45 * time.Second, Most: MaxInterval}

// recall reads what was remembered of a repository. s.mu is held.
func (s *Scheduler) recall(r *repo) {
	now := time.Duration(s.now())
	r.rhythm = rhythm.Unknown(now)
	due, ok := s.cfg.Memory.Due(r.id)
	if !ok {
		return
	}
	r.failures = uint16(min(max(due.Failures, 0), 1<<16-1))
	if due.LastCheck.IsZero() {
		return
	}
	r.lastCheck = min(s.instant(due.LastCheck), instant(now)) // the clock may have been wrong
	if is, ok := rhythm.Remembered(time.Duration(r.lastCheck), due.Rhythm); ok {
		r.rhythm, r.learned = is, true
	}
	if due.Refused > 0 {
		r.note(news{refused: refused{times: uint16(min(due.Refused, 1<<16-1)), since: min(s.instant(due.RefusedSince), instant(now))}})
	}
	if due.URL > 0 && due.URL < r.terms.urls() {
		last := r.last()
		last.turn = turn{at: uint8(due.URL), probe: instant(now).add(s.jitter(probeSoon))}
		r.note(last)
	}
}

// remember has what is known of a repository outlast the process. s.mu is held.
func (s *Scheduler) remember(r *repo) {
	due := work.Due{LastCheck: s.time(r.lastCheck), NextCheck: s.time(r.nextCheck), Failures: int(r.failures)}
	if r.learned && r.lastCheck != never {
		due.Rhythm = r.rhythm.Counters(time.Duration(r.lastCheck))
	}
	if no := r.last().refused; no.times > 0 {
		due.Refused, due.RefusedSince = int(no.times), s.time(no.since)
	}
	due.URL = int(r.last().turn.at)
	s.cfg.Memory.Remember(r.id, due)
}

// learn takes what a check has shown of the times at which its upstream changes. s.mu is held.
func (s *Scheduler) learn(r *repo, now instant, owned bool, out work.Result) {
	if !owned || out.Failure != nil {
		return
	}
	at := time.Duration(now)
	commits := make([]time.Duration, 0, len(out.Commits)+1)
	for _, c := range out.Commits {
		commits = append(commits, time.Duration(s.instant(c)))
	}
	switch {
	case out.Learned:
		r.rhythm, r.learned = rhythm.Learned(at, commits), true
	case out.Changed:
		if len(commits) == 0 {
			commits = append(commits, at) // a ref that went, or goes elsewhere
		}
		last := at
		if r.lastCheck != never {
			last = time.Duration(r.lastCheck)
		}
		r.rhythm = r.rhythm.With(at, last, commits)
	}
}

// pace sets how long a repository is left alone between two checks, as far as is known now.
// s.mu is held.
func (s *Scheduler) pace(r *repo) {
	s.uncount(r)
	now := s.now()
	measure := 0.0
	if r.every = r.terms.interval; r.every == 0 {
		measure = r.rhythm.Measure(time.Duration(now))
	}
	t := s.count(r, measure)
	if r.every == 0 {
		r.every = s.tempo(t, r.host().Value(), now).Interval(measure, s.cfg.Bounds)
	}
}

// patience is how long one that has just failed is left alone. A failure tells nothing of how
// often its upstream changes: it comes when it would have, or later. But the first is looked at
// again soon, since most are over by then. s.mu is held.
func (s *Scheduler) patience(r *repo, f *failure.Error, now instant) time.Duration {
	last, urls := r.last(), r.terms.urls()
	failures := int(r.failures)
	if urls > 1 {
		failures = max(failures-turnAfter*(urls-1), 1)
	}
	switch {
	case f.Host && urls > 1 && !s.rests(s.hostNow(r, now), now): // another is asked meanwhile
		return s.spread(returnWithin)
	case f.Host:
		return s.restOf(s.hostNow(r, now), now) + s.spread(returnWithin)
	case last.refused.parked(now):
		return parkedFor*8/10 + s.spread(parkedFor*4/10)
	case urls > 1 && int(r.failures) < turnAfter*urls: // another one may answer
		soon := s.cfg.Bounds.Least
		if r.terms.interval > 0 {
			soon = min(soon, r.terms.interval)
		}
		return s.jitter(Backoff(f, max(int(last.turn.tries), 1), soon))
	case r.terms.interval > 0:
		return s.jitter(Backoff(f, failures, r.terms.interval))
	}
	wait := Backoff(f, failures, s.cfg.Bounds.Least)
	if failures > 1 {
		wait = max(wait, r.every)
	}
	return s.jitter(wait)
}

// What upstreams say of repositories that are not there, or not for us, they seldom take back:
// after so many answers over so long a time they are asked only each parkedFor, by 20 % more
// or less.
const (
	parkedAfter = 5
	parkedOver  = time.Hour
	parkedFor   = MaxInterval
)

// refused is how often an upstream has said, in a row, that a repository is not there, or not
// for us.
type refused struct {
	times uint16
	since instant
}

// after is n once another check has ended so. One that says nothing of that, since upstream
// was not to be reached, leaves it as it is; but of several urls, each has to say so.
func (n refused) after(f *failure.Error, several bool, now instant) refused {
	switch {
	case f == nil:
		return refused{}
	case several && f.Class != failure.NotFound && f.Class != failure.Auth:
		return refused{}
	case f.Class != failure.NotFound && f.Class != failure.Auth || f.Host:
		return n
	case n.times == 0:
		n.since = now
	}
	n.times = min(n.times, 1<<16-2) + 1
	return n
}

func (n refused) parked(now instant) bool {
	return n.times >= parkedAfter && time.Duration(now-n.since) >= parkedOver
}
