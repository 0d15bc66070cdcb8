package schedule

import (
	"net/url"
	"strings"
	"time"
	"unique"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// Of an upstream's urls one is asked: the first, and after turnAfter failures in a row the next.
// They may show different states of one history, so that none is left for a moment's trouble.
// While another is asked the first is tried again, after probeSoon, and less and less often for
// as long as it fails. One whose host wants to be left alone for longer than restPatience is
// passed over meanwhile. Where nothing is here yet, or a person waits, all are asked in turn.
const (
	turnAfter   = 3
	probeSoon   = 10 * time.Minute
	probeSeldom = MaxInterval

	restPatience = 2 * time.Minute
)

// turn is which url of an upstream is asked.
type turn struct {
	at     uint8
	tries  uint8 // that have failed there, in a row
	probes uint8 // of the first that have failed, in a row
	answer uint8 // which has answered last
	probe  instant
}

// hostsOf are the hosts of urls, in one string.
func hostsOf(urls []string) unique.Handle[string] {
	hosts := make([]string, len(urls))
	for i, raw := range urls {
		if u, err := url.Parse(raw); err == nil {
			hosts[i] = u.Host
		}
	}
	return unique.Make(strings.Join(hosts, " "))
}

// urls is how many there are.
func (t terms) urls() int { return strings.Count(t.hosts.Value(), " ") + 1 }

// hostAt is the host of one of them.
func (t terms) hostAt(at int) unique.Handle[string] {
	hosts := t.hosts.Value()
	if !strings.Contains(hosts, " ") {
		return t.hosts
	}
	list := strings.Split(hosts, " ")
	return unique.Make(list[min(at, len(list)-1)])
}

// asks is which url of r is asked, were it now. s.mu is held.
func (s *Scheduler) asks(r *repo, now instant) int {
	at, n := int(r.last().turn.at), r.terms.urls()
	for i := range n {
		if other := (at + i) % n; n > 1 && s.restOf(r.terms.hostAt(other), now) <= restPatience {
			return other
		}
	}
	return at
}

// hostNow is the host of that. s.mu is held.
func (s *Scheduler) hostNow(r *repo, now instant) unique.Handle[string] {
	if r.terms.urls() == 1 {
		return r.terms.hosts
	}
	return r.terms.hostAt(s.asks(r, now))
}

// host is the host that r asks, where that does not rest.
func (r *repo) host() unique.Handle[string] { return r.terms.hostAt(int(r.last().turn.at)) }

// order is which urls a run of r asks, in which order, until one answers, nil for all of them;
// probe says that the first of them is only tried again. s.mu is held.
func (s *Scheduler) order(r *repo, now instant) (urls []int, probe bool) {
	is := r.last()
	switch t := is.turn; {
	case r.terms.urls() == 1 || r.forced || s.cfg.Disk.Held(r.id).Generation == 0 || is.refused.parked(now):
		return nil, false
	case t.at > 0 && s.asks(r, now) == int(t.at) && now >= t.probe && !s.rests(r.terms.hostAt(0), now):
		return []int{0, int(t.at)}, true
	default:
		return []int{s.asks(r, now)}, false
	}
}

// turn notes which urls have answered, and which have not, and tells whether another is asked
// from now on. s.mu is held.
func (s *Scheduler) turn(r *repo, asked []work.Asked, now instant) (turned bool) {
	if r.terms.urls() == 1 {
		return false
	}
	last := r.last()
	t := last.turn
	was := t.at
	for _, a := range asked {
		switch {
		case a.Failure == nil:
			t.at, t.answer, t.tries = uint8(a.URL), uint8(a.URL), 0
		case isOurs(a.Failure):
		case a.URL == 0 && was > 0:
			t.probe = now.add(s.jitter(min(probeSoon<<min(t.probes+1, 10), probeSeldom)))
			t.probes = min(t.probes+1, 100)
		case a.URL == int(was) && !a.Failure.Host: // else it rests
			t.tries++
		}
	}
	if t.tries >= turnAfter {
		t.at, t.tries = uint8((int(t.at)+1)%r.terms.urls()), 0
	}
	switch {
	case t.at == 0:
		t.probes, t.probe = 0, 0
	case was == 0:
		t.probes, t.probe = 0, now.add(s.jitter(probeSoon))
	}
	if turned = t.at != was; turned {
		s.uncount(r) // at the host that was asked
	}
	last.turn = t
	r.note(last)
	return turned
}

// isOurs tells whether a failure says nothing of an upstream.
func isOurs(f *failure.Error) bool {
	return f.Class == failure.Disk || f.Class == failure.OutOfMemory
}

// turnBack has the first url asked of what is another's to ask, or is elsewhere: then what the
// upstream before has said is of no upstream any more. s.mu is held.
func (s *Scheduler) turnBack(r *repo, elsewhere bool) {
	last := r.last()
	if elsewhere {
		last.refused = refused{}
	}
	if elsewhere || !r.terms.owner {
		last.turn = turn{}
	}
	r.note(last)
}

// turnTo has a url asked that has answered another owner, where nothing else is known. s.mu is held.
func (s *Scheduler) turnTo(r *repo, at int) {
	last := r.last()
	if at <= 0 || at >= r.terms.urls() || last.turn.at > 0 {
		return
	}
	last.turn = turn{at: uint8(at), answer: uint8(at), probe: s.now().add(s.jitter(probeSoon))}
	r.note(last)
}
