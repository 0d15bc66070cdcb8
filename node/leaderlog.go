package node

import (
	"cmp"
	"context"
	"log/slog"
	"time"
)

// How who leads is told. The first change is told at once; while leaders are lost again and again,
// as on a machine that has no time for us, they are counted, and told in one line after flapsFirst,
// and then after twice as long each time, to flapsRarest. That there is none for lastingAfter is told
// in any case.
const (
	flapsFirst   = time.Minute
	flapsRarest  = 16 * time.Minute
	lastingAfter = 10 * time.Second
)

// leaderLog tells a log who leads.
type leaderLog struct {
	log  *slog.Logger
	name func(id string) string

	is    string    // the id of who leads, empty for nobody
	since time.Time // it is so
	told  string    // who was told to
	lost  int       // how many leaders were lost, and that not told
	next  time.Time // when that is told; changes before it are counted
	span  time.Duration
}

// see takes note of who leads now, in which term, and tells what is to be told. It wants to be
// called again at the time that it returns; zero: not before something changes. Times must not go
// back.
func (l *leaderLog) see(now time.Time, id, addr string, term uint64) (again time.Time) {
	if id != l.is {
		if l.is != "" {
			l.lost++
		}
		l.is, l.since = id, now
	}
	due := !now.Before(l.next)
	switch {
	case l.told == "" && l.is != "": // the first, or after a loss that was told
		l.tell(addr, term)
	case due && l.lost == 1 && l.is != l.told:
		l.tell(addr, term)
		if now.Sub(l.next) >= l.span { // it has been quiet
			l.span = flapsFirst
		}
		l.lost, l.next = 0, now.Add(l.span)
	case l.is == "" && l.told != "" && now.Sub(l.since) >= lastingAfter:
		l.tell(addr, term)
	case due && l.lost > 0:
		l.log.Warn("leaders were lost again and again: too little processor time, or a slow disk or network?", "times", l.lost, "within", l.span, "leader", l.called(addr), "term", term)
		if l.is != "" {
			l.told = l.is
		}
		l.span = min(2*l.span, flapsRarest)
		l.lost, l.next = 0, now.Add(l.span)
	}
	if l.lost > 0 {
		again = l.next
	}
	if late := l.since.Add(lastingAfter); l.is == "" && l.told != "" && (again.IsZero() || late.Before(again)) {
		again = late
	}
	return again
}

func (l *leaderLog) tell(addr string, term uint64) {
	if l.told = l.is; l.is == "" {
		l.log.Warn("the leader is lost", "term", term)
	} else {
		l.log.Info("there is a leader", "leader", l.called(addr), "term", term)
	}
}

func (l *leaderLog) called(addr string) string { return cmp.Or(l.name(l.is), addr) }

// nameless is how long a leader may be unknown to the table before it is told by its address.
const nameless = 5 * time.Second

// tellLeader logs who leads, by its name: a node that starts, and one that joins before the founder
// has written itself down, waits for that a moment.
func (n *node) tellLeader(ctx context.Context) {
	tells := leaderLog{log: n.log, name: n.nameOf}
	var since time.Time // when a leader without a name was first seen
	for {
		changed, known := n.cluster.LeaderChanged(), n.machine.state.Changed()
		id, addr := n.cluster.Leader()
		named := id == tells.is || id == "" || n.nameOf(id) != ""
		switch {
		case named:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		var again time.Time
		if late := since.Add(nameless); named || !time.Now().Before(late) {
			again, known = tells.see(time.Now(), id, addr, n.cluster.Term()), nil
		} else {
			again = late
		}
		var due <-chan time.Time
		if !again.IsZero() {
			due = time.After(time.Until(again))
		}
		select {
		case <-changed:
		case <-known:
		case <-due:
		case <-ctx.Done():
			return
		}
	}
}
