package story

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// The rest is told a second after it began, and then less and less often while there is
	// more.
	firstSum  = time.Second
	rarestSum = time.Minute
	// named is how many of those that it is about are named.
	named = 5
)

// sum is what is not told one by one: how many of each kind, and what the first of them are
// now. One alone is told as it is.
type sum struct {
	alone   line
	counts  map[string]int    // by type
	first   []string          // names of the first
	now     map[string]string // their newest type
	level   slog.Level
	began   time.Time // when the first of it happened, zero while there is none
	last    time.Time // when it was told last
	spacing time.Duration
}

// add counts an event.
func (s *sum) add(l line, now time.Time) {
	if s.began.IsZero() {
		s.began, s.level, s.alone = now, l.level, l
		s.counts, s.now, s.first = map[string]int{}, map[string]string{}, nil
		if now.Sub(s.last) > 2*rarestSum {
			s.spacing = firstSum
		}
	}
	s.counts[l.called]++
	s.level = max(s.level, l.level)
	name := l.event.Name
	_, known := s.now[name]
	if !known && len(s.first) < named {
		s.first, known = append(s.first, name), true
	}
	if known {
		s.now[name] = l.called
	}
}

// after returns a channel that tells when the rest is due, which is nil while there is none,
// and what lets go of it.
func (s *sum) after(now time.Time) (<-chan time.Time, func()) {
	if s.began.IsZero() {
		return nil, func() {}
	}
	t := time.NewTimer(s.began.Add(s.spacing).Sub(now))
	return t.C, func() { t.Stop() }
}

// take returns the line for the rest, if there is any, and begins anew.
func (s *sum) take(now time.Time) (line, bool) {
	if s.began.IsZero() {
		return line{}, false
	}
	total := 0
	for _, n := range s.counts {
		total += n
	}
	l := s.alone
	if total > 1 {
		l = line{level: s.level, text: fmt.Sprintf("and %d changes more", total)}
		for _, kind := range slices.Sorted(maps.Keys(s.counts)) {
			l.attrs = append(l.attrs, slog.Int(kind, s.counts[kind]))
		}
		var are []string
		for _, name := range s.first {
			are = append(are, name+" "+s.now[name])
		}
		l.attrs = append(l.attrs, slog.String("first", strings.Join(are, ", ")),
			slog.Duration("within", now.Sub(s.began).Round(time.Millisecond)), slog.String("see", "gitmirror events"))
	}
	s.began, s.last, s.spacing = time.Time{}, now, min(2*s.spacing, rarestSum)
	return l, true
}
