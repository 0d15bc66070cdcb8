package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// trace is when repositories changed.
type trace struct {
	begin, end time.Time
	repos      []history
	counted    float64 // changes from then on, in seconds since the beginning
}

// history is when one did, in order, in seconds since the beginning: what is negative was before.
type history []float64

// load reads a trace, and follows the end of it. Repositories that do not change there are left
// out, as are those that were not there before.
func load(file string, over time.Duration) (*trace, error) {
	all, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var in io.Reader = bytes.NewReader(all)
	if zipped, err := gzip.NewReader(bytes.NewReader(all)); err == nil {
		in = zipped
	}
	repos, last, lines := map[string][]int64{}, int64(0), bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		repo, at, ok := strings.Cut(strings.TrimSpace(lines.Text()), ",")
		seconds, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			if n == 1 {
				continue // a head
			}
			return nil, fmt.Errorf("%s, line %d: %q is not repo,seconds", file, n, lines.Text())
		}
		repos[repo] = append(repos[repo], seconds)
		last = max(last, seconds)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(repos) == 0 {
		return nil, errors.New(file + " has no change")
	}
	t := &trace{end: time.Unix(last, 0), begin: time.Unix(last, 0).Add(-over)}
	names := make([]string, 0, len(repos))
	for name := range repos {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var h history
		for _, s := range repos[name] {
			h = append(h, time.Unix(s, 0).Sub(t.begin).Seconds())
		}
		slices.Sort(h)
		t.repos = append(t.repos, h)
	}
	return t, nil
}

// changes is how many there are to be noticed.
func (t *trace) changes() (n int) {
	for _, h := range t.repos {
		n += len(h) - h.after(0)
	}
	return n
}

// busiest is the part of it that is of those n repositories which change most often.
func (t *trace) busiest(n int) *trace {
	part := *t
	part.repos = slices.Clone(t.repos)
	slices.SortStableFunc(part.repos, func(a, b history) int { return (len(b) - b.after(0)) - (len(a) - a.after(0)) })
	part.repos = part.repos[:min(n, len(part.repos))]
	return &part
}

// length is how long it is followed, in seconds.
func (t *trace) length() float64 { return t.end.Sub(t.begin).Seconds() }

// after is the place of the first change after that time.
func (h history) after(at float64) int {
	i, _ := slices.BinarySearchFunc(h, at, func(c, at float64) int {
		if c <= at {
			return -1
		}
		return 1
	})
	return i
}

// seen is what a way to poll has come to.
type seen struct {
	counted float64 // changes of before are not
	polls   int
	delays  []float64 // of each change until it was noticed
	behind  float64   // repositories times seconds in which there was something to be noticed
}

// poll notices what has changed in (last, now], and returns it.
func (s *seen) poll(h history, last, now float64) history {
	s.polls++
	news := h[h.after(last):h.after(now)]
	s.notice(news, now)
	return news
}

func (s *seen) notice(news history, now float64) {
	for i, at := range news {
		if at < s.counted {
			continue
		}
		if i == 0 {
			s.behind += now - at
		}
		s.delays = append(s.delays, now-at)
	}
}

func (s *seen) mean() float64 {
	sum := 0.0
	for _, d := range s.delays {
		sum += d
	}
	return sum / float64(max(len(s.delays), 1))
}

func (s *seen) quantile(q float64) float64 {
	slices.Sort(s.delays)
	if len(s.delays) == 0 {
		return 0
	}
	return s.delays[int(q*float64(len(s.delays)-1))]
}

// stale is the share of time in which a repository had something to be noticed.
func (s *seen) stale(t *trace) float64 { return s.behind / (t.length() * float64(len(t.repos))) }
