package work

import (
	"net/url"
	"slices"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

// Step is what a run is for.
type Step uint8

// An owner that has what was published checks upstream, and now and then looks
// for lost generations. One that is behind asks holders first, then upstream:
// each in its own lane, so each in a run of its own.
const (
	CheckUpstream Step = iota
	AskHolders
	AskUpstream // no holder gave it: the next table is made on what is here
	RecoverLost
)

// AsksUpstream tells whether an owner asks its upstream in that step, and no peer.
func (s Step) AsksUpstream() bool { return s == CheckUpstream || s == AskUpstream }

// Task is one run's: the assignment it began with, and what it is for.
type Task struct {
	Assignment
	Step Step
	Ask  bool // upstream is asked, if the disk is where the row is
	// Wanted: somebody asked for this check. Upstream is asked as if nothing was known of
	// where it is.
	Wanted bool
	// Order is which of the upstream's urls are asked, in which order, until one answers; nil for
	// all as they are. Probe: the first of them is only tried again, and what is said of it is not
	// what is said of the repository.
	Order []int
	Probe bool
	// Fetch: the run has a place among those that fetch from upstreams. It asks when it may
	// fetch, so that it waits with empty hands.
	Fetch bool
	// Learn: nothing is known of the times at which its upstream changes. Since is when it was
	// asked last, zero for never.
	Learn bool
	Since time.Time
	// ToFetch has a run that has asked give its place to others, for one among those that
	// fetch, and tells whether there was one. It does not block. Nil where nobody waits.
	ToFetch func() bool
}

// AsksUpstream tells whether the run has a place among those that ask upstreams, and
// not among those that ask peers.
func (t Task) AsksUpstream() bool {
	return t.Role == Owner && t.Step.AsksUpstream()
}

// Asks are the places of the urls that are asked, in order.
func (t Task) Asks() []int {
	all := make([]int, len(t.URLs))
	for i := range all {
		all[i] = i
	}
	there := func(i int) bool { return i < len(t.URLs) }
	if t.Order == nil || !slices.ContainsFunc(t.Order, there) { // there may be fewer since
		return all
	}
	return slices.DeleteFunc(slices.Clone(t.Order), func(i int) bool { return !there(i) })
}

// Host is the host whose share the run takes: that of the url that is asked, and not only tried.
func (t Task) Host() string {
	asks := t.Asks()
	if len(asks) == 0 {
		return ""
	}
	at := asks[0]
	if t.Probe {
		at = asks[len(asks)-1]
	}
	u, err := url.Parse(t.URLs[at])
	if err != nil {
		return ""
	}
	return u.Host
}

// Answer is what a check that was asked for came to.
type Answer struct {
	Generation uint64 // live on this node afterwards
	Changes    []refs.Change
	Changed    bool
	Failure    *failure.Error
	Hold       *Hold
	Heard      uint64 // Assignment.Word, where the check succeeded
}

// Result is what one run came to.
type Result struct {
	Answer
	Checked   bool // upstream was asked
	Judged    bool // and what it showed was judged: Hold is news
	CheckedAt time.Time
	Asked     []Asked // the urls, in the order in which they were
	// Commits are the times of those that upstream has by now, as far as they can be told: with
	// Learned, of the last three months, else of those since Task.Since.
	Commits []time.Time
	Learned bool
	Waiting bool // for the log or a peer: run again soon
	Broken  bool // what was on this disk could not be used
	Rerun   bool // at once, in the lane that fits by now
	Fetch   bool // that of those that fetch
	Next    Step // of an owner that is behind
}

// Asked is an upstream's url that was asked, and why it has not answered, nil where it has.
type Asked struct {
	URL     int
	Failure *failure.Error
}

// Moved says that an upstream is elsewhere from now on.
type Moved struct{ From, To string }

// Hold says why what upstream shows is not followed.
type Hold struct {
	Reason   string // see package past
	Observed refs.Digest
	Lost     int           // refs of which upstream takes something away
	Settled  int           // refs that count
	First    []refs.Change // of those that are lost, at most 20
	Losses   refs.Digest   // of them all, see past.LossDigest
}
