package schedule

import (
	"time"

	"gitmirror/internal/spread"
	"gitmirror/mirror/work"
)

// Freshness is how new what this node owns is.
type Freshness struct {
	// Ages are how long ago the checks began whose upshot is published, of what is not paused.
	Ages spread.Spread `json:"ages"`
	// Unknown is of how many that is not known: no check has succeeded since they were owned here.
	Unknown int `json:"unknown,omitzero"`
	// Lags are how long the changes of the last half day, or whole one, had been there when they
	// were published.
	Lags spread.Spread `json:"lags"`
}

// lags counts the lags of changes, and forgets them.
type lags struct {
	now, before spread.Spread
	began       instant // of now
}

const lagsOver = 12 * time.Hour

// add counts the changes that a check has brought: from when they were made, or the check before,
// until now. s.mu is held.
func (l *lags) add(out work.Result, last, now instant, at func(time.Time) instant) {
	if time.Duration(now-l.began) >= lagsOver {
		l.before = spread.Spread{}
		if time.Duration(now-l.began) < 2*lagsOver {
			l.before = l.now
		}
		l.now, l.began = spread.Spread{}, now
	}
	if out.Learned || last == never {
		return // some of them are as old as they are
	}
	for _, c := range out.Commits {
		l.now.Add(time.Duration(now - max(min(at(c), now), last)))
	}
}

// Freshness looks at each repository once.
func (s *Scheduler) Freshness() Freshness {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var f Freshness
	for _, r := range s.repos {
		switch {
		case !r.terms.owner || r.terms.paused:
		case r.asOf == never:
			f.Unknown++
		default:
			f.Ages.Add(time.Duration(now - r.asOf))
		}
	}
	f.Lags.Join(s.lags.before)
	f.Lags.Join(s.lags.now)
	return f
}
