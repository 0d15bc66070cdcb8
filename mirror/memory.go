package mirror

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// A table and its past may be megabytes on the disk, and several times that in memory,
// and anybody may ask for what is in them. So few have them at hand at once, a record is
// read by one at a time and shared with all who want it meanwhile, and what is told of
// losses is read once for each generation.
const (
	recallsAtOnce = 2
	recallWait    = 4 * time.Second // peers wait five for the beginning of an answer
	mostTold      = 4096            // repositories
)

// ErrBusy says that others have been asking for as long as one may wait.
var ErrBusy = errors.New("this node reads what it remembers for others")

// memory is what this node has read of what it remembers.
type memory struct {
	recalls *semaphore.Weighted // of pages of refs
	losses  *semaphore.Weighted // of what is told: pages must not keep it from anybody

	past past.Shared

	mu   sync.Mutex
	told map[string]told
}

func newMemory() *memory {
	return &memory{recalls: semaphore.NewWeighted(recallsAtOnce), losses: semaphore.NewWeighted(1), told: map[string]told{}}
}

// Recall hands the live table of a repository and what is remembered of it to use, which
// must not keep them. It waits for its turn, with ErrBusy not for long.
func (e *Engine) Recall(ctx context.Context, id string, use func(*refs.Table, *past.Record) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, recallWait, ErrBusy)
	defer cancel()
	if e.memory.recalls.Acquire(ctx, 1) != nil {
		return context.Cause(ctx)
	}
	defer e.memory.recalls.Release(1)
	t, record, err := e.remembered(id)
	if err != nil {
		return err
	}
	return use(t, record)
}

// remembered is the live table of a repository, and what is remembered of it.
func (e *Engine) remembered(id string) (*refs.Table, *past.Record, error) {
	r := e.store.Repo(id)
	if r == nil {
		return nil, nil, ErrNoCopy
	}
	if err := e.prover.fit(id); err != nil {
		return nil, nil, err
	}
	t, err := r.Table()
	if err != nil || t.Generation == 0 {
		return nil, nil, cmp.Or(err, ErrNoCopy)
	}
	record, _ := e.memory.past.Record(t.Past, func() ([]byte, error) { return r.Past(t.Past) }) // without it, names tell most of what is kept
	return t, record, nil
}

// Taken is what upstream took away from settled refs within the last day, and was
// followed in.
type Taken struct {
	Count int
	First []refs.Change
}

// firstTaken is how many losses that were followed are shown.
const firstTaken = 5

// told is what was told of a table's losses: until its oldest tip is a day old it stays
// the same.
type told struct {
	Taken
	table refs.Digest
	at    refs.LogTime
	until time.Time // zero: for good
}

func (t told) holds(table refs.Digest, at refs.LogTime) bool {
	return t.table == table && t.at.DatesHold == at.DatesHold && !at.Now.Before(t.at.Now) && (t.until.IsZero() || at.Now.Before(t.until))
}

// TakenAway tells what was taken away of a repository; nothing, where that is not known
// when ctx ends.
func (e *Engine) TakenAway(ctx context.Context, id string) Taken {
	r := e.store.Repo(id)
	if r == nil || r.LivePast().IsZero() || e.prover.fit(id) != nil {
		return Taken{}
	}
	if t, ok := e.toldOf(r); ok {
		return t.Taken
	}
	if e.memory.losses.Acquire(ctx, 1) != nil {
		return Taken{}
	}
	defer e.memory.losses.Release(1)
	if t, ok := e.toldOf(r); ok { // whoever was before has worked it out
		return t.Taken
	}
	table, record, err := e.remembered(id)
	if err != nil || record == nil {
		return Taken{}
	}
	at := e.cfg.LogTime()
	lost := record.Lost(table, at)
	t := told{table: table.Digest(), at: at, until: record.LostUntil(at)}
	t.Count, t.First = len(lost), refs.Detached(lost[:min(len(lost), firstTaken)])
	m := e.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for other := range m.told {
		if len(m.told) < mostTold {
			break
		}
		delete(m.told, other)
	}
	m.told[id] = t
	return t.Taken
}

// toldOf is what was told of the losses of r, if that still holds.
func (e *Engine) toldOf(r *store.Repo) (told, bool) {
	_, table := r.Generation()
	e.memory.mu.Lock()
	defer e.memory.mu.Unlock()
	t, ok := e.memory.told[r.ID()]
	return t, ok && t.holds(table, e.cfg.LogTime())
}
