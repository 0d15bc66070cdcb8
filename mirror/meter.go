package mirror

import (
	"context"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/store"
	"gitmirror/mirror/sync"
	"gitmirror/mirror/work"
)

// Meter is told what the mirror has done, by many at once. It does not block, and never
// hears a name: what it counts must not grow with what is mirrored.
type Meter interface {
	// Checked is told that an upstream was asked, and what that came to: one of Outcomes,
	// or the class of a failure.
	Checked(outcome string, took time.Duration)
	// Fetched is told that objects were asked for, of a peer or of an upstream, and how
	// many bytes of packs came. class is empty where all of them did.
	Fetched(fromPeer bool, class failure.Class, bytes int64, took time.Duration)
	// Published is told what the log made of a generation.
	Published(fate sync.CommitStatus, took time.Duration)
	maintain.Meter
	// RefsChanged is told how many refs a generation changed that way.
	RefsChanged(kind refs.Kind, n int)
}

// Outcomes are what a check comes to that does not fail.
var Outcomes = []string{"unchanged", "changed", "held"}

// Fates are what the log makes of a generation.
var Fates = sync.Fates

// metered tells a Meter, with times by the mirror's clock.
type metered struct {
	meter Meter
	clock clock.Clock
}

func (m metered) since(began time.Time) time.Duration { return m.clock.Now().Sub(began) }

// meteredRuns are runs whose checks are counted.
type meteredRuns struct {
	schedule.Runner
	metered
}

func (m meteredRuns) Run(ctx context.Context, t work.Task) work.Result {
	began := m.clock.Now()
	out := m.Runner.Run(ctx, t)
	if out.Checked && ctx.Err() == nil { // a run that was ended says nothing of its upstream
		m.meter.Checked(outcome(out), m.since(began))
	}
	return out
}

func outcome(r work.Result) string {
	switch {
	case r.Failure != nil:
		return string(r.Failure.Class)
	case r.Hold != nil:
		return "held"
	case r.Changed:
		return "changed"
	}
	return "unchanged"
}

// meteredObjects are objects whose fetches are counted.
type meteredObjects struct {
	Objects
	metered
}

func (m meteredObjects) Fetch(ctx context.Context, st *store.Staging, src fetch.Source, oids []string) error {
	began := m.clock.Now()
	err := m.Objects.Fetch(ctx, st, src, oids)
	var class failure.Class
	if err != nil {
		class = failure.Of(err).Class
	}
	bytes, _ := st.Received()
	m.meter.Fetched(src.Way == nil, class, bytes, m.since(began))
	return err
}

// meteredPublisher is a Publisher whose answers are counted.
type meteredPublisher struct {
	Publisher
	metered
}

func (m meteredPublisher) Publish(ctx context.Context, c Candidate) (CommitStatus, error) {
	began := m.clock.Now()
	fate, err := m.Publisher.Publish(ctx, c)
	m.meter.Published(fate, m.since(began))
	if fate != Committed {
		return fate, err
	}
	changes := map[refs.Kind]int{}
	for _, change := range c.Changes {
		changes[change.Kind]++
	}
	for kind, n := range changes {
		m.meter.RefsChanged(kind, n)
	}
	return fate, err
}

// unmetered counts nothing.
type unmetered struct{}

func (unmetered) Checked(string, time.Duration)                     {}
func (unmetered) Fetched(bool, failure.Class, int64, time.Duration) {}
func (unmetered) Published(CommitStatus, time.Duration)             {}
func (unmetered) RefsChanged(refs.Kind, int)                        {}
func (unmetered) Maintained(maintain.Job, bool, time.Duration)      {}
func (unmetered) Freed(int64)                                       {}
