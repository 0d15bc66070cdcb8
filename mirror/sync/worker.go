// Package sync is what one run does for one repository: it brings the disk from where
// it is to where the assignment is, and asks upstream. When it runs is decided
// elsewhere (package schedule), and what is served by whoever opens the copy.
//
// Follow a push through it: check.go asks upstream; take.go works out the next ref
// table, stage.go brings and proves the objects; publish.go has the log decide and
// activates; follow.go is the same on a replica.
//
// It promises that a reader and a crash see one whole generation or the one before it,
// and that nothing is shown that the log has not committed.
package sync

import (
	"context"
	"log/slog"
	"sync"

	"golang.org/x/sync/semaphore"

	"gitmirror/internal/clock"
	"gitmirror/mirror/detect"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/space"
	"gitmirror/mirror/store"
)

// Upstream asks what an upstream shows.
type Upstream interface {
	// Check asks for the refs under prefixes, and HEAD. last is the fingerprint of the
	// answer that was dealt with, zero for none. Objects are fetched by the Remote of the
	// result.
	Check(ctx context.Context, url string, prefixes []string, last detect.Fingerprint) (detect.Result, error)
	// Forget has the next check ask the url itself, whatever was learned of it before.
	Forget(url string)
}

// Copies is what is known of whether copies can be read.
type Copies interface {
	// Suspect has a copy tested that may be damaged.
	Suspect(r *store.Repo, err error)
	// Broke notes that a copy is, and tells whether it is the node that is taken for
	// broken now: then nothing is thrown away.
	Broke(id, name string, err error) (sick bool)
	// Forget is for a copy that has left: another takes its place.
	Forget(id string)
}

// Config is what a Worker needs.
type Config struct {
	Clock     clock.Clock
	Store     *store.Store
	Upstream  Upstream
	Objects   Objects
	Commits   Commits // nil where it is not known when they were made
	Space     *space.Guard
	Past      *past.Shared
	Copies    Copies
	Publisher Publisher
	Locator   Locator
	// LogTime is the time that dates are measured by.
	LogTime func() refs.LogTime
	// Changed is told the id of a repository of which something is found. It must not
	// block.
	Changed func(id string)
	// Kick has a repository run again, unless nobody wants that any more.
	Kick func(id string) bool
	Log  *slog.Logger

	CopiesPerPeer int   // running at once
	Fetches       int64 // at once, from upstreams, and as many from peers
	MaxSize       int64 // bytes of a repository's packs; 0 for any number
	MaxObject     int64 // bytes of one object; 0 for any number
}

// Worker does the work of runs, of which any number may be under way.
type Worker struct {
	clock     clock.Clock
	store     *store.Store
	upstream  Upstream
	objects   Objects
	commits   Commits
	space     *space.Guard
	past      *past.Shared
	copies    Copies
	publisher Publisher
	holders   Locator
	logTime   func() refs.LogTime
	changed   func(id string)
	log       *slog.Logger

	maxSize, maxObject int64

	fetches     *slots
	peerFetches *semaphore.Weighted
	places      *places

	reading sync.Mutex // of commits

	mu    sync.Mutex
	seen  map[uint64]sight // by keyOf
	held  map[string]*held // by repository
	found map[string]*Findings
}

// New returns a Worker.
func New(c Config) *Worker {
	return &Worker{
		clock: c.Clock, store: c.Store, upstream: c.Upstream, objects: c.Objects, commits: c.Commits, space: c.Space, past: c.Past, copies: c.Copies,
		publisher: c.Publisher, holders: c.Locator, logTime: c.LogTime, changed: c.Changed, log: c.Log, maxSize: c.MaxSize, maxObject: c.MaxObject,
		fetches: newSlots(int(c.Fetches), c.Clock), peerFetches: semaphore.NewWeighted(c.Fetches), places: newPlaces(c.CopiesPerPeer, c.Fetches, c.Kick),
		seen: map[uint64]sight{}, held: map[string]*held{}, found: map[string]*Findings{},
	}
}

// Forget drops what is known of a repository that has left this node.
func (w *Worker) Forget(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seen, keyOf(id))
	delete(w.held, id)
	delete(w.found, id)
}
