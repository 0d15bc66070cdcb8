// Package mirror keeps bare copies of upstream repositories on this node's
// disk and serves them. It is told what to hold (Assign) and works towards that;
// it asks a Publisher before anything new becomes visible, and copies from
// peers it gets from Locator.
//
// It promises that a reader and a crash see one whole generation or the one
// before it, that nothing is shown that the log has not committed, and that no
// copy is deleted but by Remove. It knows no other node, no leader and no
// table.
//
// When a repository is worked on is decided by package schedule, what is done then by
// package sync; open.go serves the result (package serve), prove.go finds out whether it can be.
package mirror

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"gitmirror/internal/clock"
	"gitmirror/internal/disk"
	"gitmirror/internal/egress"
	"gitmirror/internal/network"
	"gitmirror/mirror/commits"
	"gitmirror/mirror/detect"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/git"
	"gitmirror/mirror/gogit"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/rhythm"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/serve"
	"gitmirror/mirror/space"
	"gitmirror/mirror/store"
	"gitmirror/mirror/sync"
)

// Config is what an Engine needs. Zero limits mean the defaults.
type Config struct {
	Dir       string      // the node's data directory
	Disk      *disk.Disk  // that it is on; default this machine's
	StartID   string      // unique to this run
	Git       *git.Runner // nil where there is none: then objects are go-git's, and packs are made for peers alone
	Memory    int64       // bytes that one fetch without git may hold; default 2 GiB
	Egress    *egress.Policy
	Network   network.Network // to upstreams; default this machine's
	Upstream  Upstream        // default: servers of git, over Network
	Objects   Objects         // default: git's, brought and proved by children of Git, or go-git's
	Publisher Publisher
	Locator   Locator
	Rows      Rows
	// Changed is told the id of a repository whose Status may have changed. It
	// must not block.
	Changed func(id string)
	// ConditionChanged is told that Condition may have changed. It must not block.
	// May be nil.
	ConditionChanged func()
	// LogTime is the time that dates are measured by; default the clock's.
	LogTime func() refs.LogTime
	Reserve float64 // percent of the disk below which no new copy is made, and below half of it nothing is fetched; default 10
	Agent   string  // what we call ourselves to upstreams and clients
	Log     *slog.Logger
	Clock   clock.Clock // default the machine's
	Meter   Meter       // default: nobody counts

	Checks         int                       // of upstreams, running at once; default 256
	ChecksPerHost  int                       // default 32
	FetchesPerHost int                       // that fetch or wait to, and as many that make first copies; default 8
	Bounds         rhythm.Bounds             // of intervals that are learned; default 45 s and 8 h
	Rate           func(host string) float64 // checks a second that may be made from here at a host, 0 or a nil Rate for any number; it does not block
	Copies         int                       // from peers, running at once; default 64
	CopiesPerPeer  int                       // default 8
	Fetches        int64                     // git fetches at once, from upstreams, and as many from peers; default 4
	Packs          int64                     // git upload-packs at once; default 16
	MaxSize        int64                     // bytes of a repository's packs; 0 for any number
	MaxObject      int64                     // bytes of one object; 0 for any number
	Stall          time.Duration             // a fetch without progress ends; default 1 min
}

// Engine is the mirror of one node.
type Engine struct {
	cfg      Config
	log      *slog.Logger
	store    *store.Store
	objects  Objects
	state    *store.State
	schedule *schedule.Scheduler
	worker   *sync.Worker
	serve    *serve.Server
	space    *space.Guard
	prover   *prover
	maintain *maintain.Maintainer
	workers  workers
	memory   *memory
	proxy    *egress.Proxy // nil where git goes nowhere
}

// New opens the store below cfg.Dir and sweeps what a killed run left. Nothing
// runs before Run.
func New(ctx context.Context, cfg Config) (_ *Engine, err error) {
	cfg.Checks = orDefault(cfg.Checks, 256)
	cfg.ChecksPerHost = orDefault(cfg.ChecksPerHost, 32)
	cfg.FetchesPerHost = orDefault(cfg.FetchesPerHost, 8)
	cfg.Copies = orDefault(cfg.Copies, 64)
	cfg.CopiesPerPeer = orDefault(cfg.CopiesPerPeer, 8)
	cfg.Fetches = orDefault(cfg.Fetches, 4)
	cfg.Packs = orDefault(cfg.Packs, 16)
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Meter == nil {
		cfg.Meter = unmetered{}
	}
	if cfg.LogTime == nil {
		cfg.LogTime = func() refs.LogTime { return refs.LogTime{Now: cfg.Clock.Now(), DatesHold: true} }
	}
	if cfg.Reserve == 0 {
		cfg.Reserve = 10
	}
	e := &Engine{cfg: cfg, log: cfg.Log, memory: newMemory()}
	own := store.Config{Dir: cfg.Dir, StartID: cfg.StartID, Disk: cfg.Disk, Clock: cfg.Clock, Log: cfg.Log}
	if e.store, err = store.Open(own); err != nil {
		return nil, err
	}
	e.space = space.New(cfg.Disk, cfg.Dir, cfg.Reserve, e.spaceChanged)
	objects, made, jobs, sender := cfg.Objects, sync.Commits(nil), []Job(nil), serve.Sender(nil)
	switch {
	case objects != nil:
	case cfg.Git != nil:
		objects = gits{fetch.New(cfg.Git, cfg.Disk, cfg.Stall), maintain.NewGit(cfg.Git, cfg.Disk), trees{cfg.Disk}}
	default:
		own := gogit.New(gogit.Config{Disk: cfg.Disk, Peers: remote.NewTransport(network.Or(cfg.Network).DialContext), Agent: cfg.Agent, Memory: cfg.Memory, Stall: cfg.Stall})
		objects, sender, jobs = gogits{own, maintain.Joined{Disk: cfg.Disk, Joiner: own}, trees{cfg.Disk}}, own, maintain.Joins
	}
	e.objects = objects
	if cfg.Objects == nil {
		made = commits.Reader{Disk: cfg.Disk}.Since
	}
	meters := metered{cfg.Meter, cfg.Clock}
	kick := func(id string) bool { return e.schedule.Kick(id) }
	e.prover = newProver(cfg, e.store, objects, &e.workers, kick)
	scratch, err := e.store.Scratch()
	if err != nil {
		return nil, err
	}
	upstream := cfg.Upstream
	if upstream == nil {
		if upstream, err = e.gitServers(scratch); err != nil {
			return nil, err
		}
	}
	e.worker = sync.New(sync.Config{
		Clock: cfg.Clock, Store: e.store, Upstream: upstream, Objects: meteredObjects{objects, meters}, Commits: made, Space: e.space, Past: &e.memory.past,
		Copies: e.prover, Publisher: meteredPublisher{cfg.Publisher, meters}, Locator: cfg.Locator, LogTime: cfg.LogTime, Changed: cfg.Changed, Kick: kick, Log: cfg.Log,
		CopiesPerPeer: cfg.CopiesPerPeer, Fetches: cfg.Fetches, MaxSize: cfg.MaxSize, MaxObject: cfg.MaxObject,
	})
	if e.serve, err = serve.New(ctx, serve.Config{Git: cfg.Git, Sender: sender, Disk: cfg.Disk, Scratch: scratch, Agent: cfg.Agent, Packs: cfg.Packs, Room: func() error { return e.space.Room(false) }, Suspect: e.prover.Suspect, Log: cfg.Log}); err != nil {
		return nil, err
	}
	if e.state, err = store.OpenState(own); err != nil {
		return nil, err
	}
	e.maintain = maintain.New(maintain.Config{
		Clock: cfg.Clock, Disk: cfg.Disk, Store: e.store, Objects: objects, Jobs: jobs, Copies: e.prover, Space: e.space, Changed: cfg.Changed, Meter: cfg.Meter, Log: cfg.Log,
		Busy: func() bool { _, waiting := e.serve.Packs(); return waiting > 0 },
	})
	e.schedule = schedule.New(schedule.Config{
		Clock: cfg.Clock, Runner: meteredRuns{e.worker, meters}, Rows: cfg.Rows, Disk: holdings{e}, Memory: e.state, Changed: cfg.Changed,
		Checks: cfg.Checks, Fetches: fetching, ChecksPerHost: cfg.ChecksPerHost, FetchesPerHost: cfg.FetchesPerHost, Bounds: cfg.Bounds, Rate: cfg.Rate, Copies: cfg.Copies,
	})
	return e, nil
}

// gitServers are upstreams that speak git over HTTP. Answers wait in scratch.
func (e *Engine) gitServers(scratch string) (_ Upstream, err error) {
	dialer := egress.NewDialer(e.cfg.Egress, network.Or(e.cfg.Network))
	if e.proxy, err = egress.NewProxy(dialer); err != nil {
		return nil, err
	}
	return detect.New(remote.New(remote.Config{
		Transport: remote.NewTransport(dialer.DialContext), Proxy: e.proxy, Agent: e.cfg.Agent, Log: e.log,
		Answers: remote.NewPool(e.cfg.Disk, scratch, func() error { return e.space.Room(false) }),
	})), nil
}

// fetching is how many runs fetch from upstreams, or wait for a slot to: more than may have
// one or be aside, so that the slots know of some that wait.
const fetching = 64

func orDefault[T int | int64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Run works until ctx ends, then waits for its workers and children and closes
// the store. It returns nil unless something it needs broke.
func (e *Engine) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	e.workers.begin(ctx)
	if e.proxy != nil {
		g.Go(func() error { return e.proxy.Serve(ctx) })
	}
	g.Go(func() error { return e.space.Run(ctx) })
	g.Go(func() error { e.prover.proveAll(ctx); e.maintain.Run(ctx); return nil })
	g.Go(func() error { return e.flush(ctx) })
	g.Go(func() error { return e.schedule.Run(ctx) })
	err := g.Wait()
	e.workers.Wait()
	e.store.Close()
	return errors.Join(err, e.state.Close())
}

// When the trash is looked at, in seconds of a run: soon, for nodes that seldom
// run for long, but not before the log has been heard.
const (
	trashFirst = 60
	trashEvery = 3600
)

func (e *Engine) flush(ctx context.Context) error {
	failing := false
	for n := 1; clock.Sleep(ctx, e.cfg.Clock, time.Second) == nil; n++ {
		// Due times are worth no more than a check each: the node goes on
		// without, and writes them when the disk takes them again.
		err := e.state.Flush()
		if err != nil && !failing {
			e.log.Warn("cannot write state.db", "err", err)
			e.space.Suspect()
		}
		failing = err != nil
		if at := e.cfg.LogTime(); n%trashEvery == trashFirst && at.DatesHold {
			if err := e.store.EmptyTrash(at.Now); err != nil {
				e.log.Warn("cannot empty the trash", "err", err)
			}
		}
	}
	return nil
}

// Assign has a repository held as a says, from now on. An assignment that is the
// one it has already changes nothing, and costs little.
func (e *Engine) Assign(a Assignment) { e.schedule.Assign(a) }

// Unassign has a repository left alone: from now on it is neither worked on nor
// removed. What runs for it ends.
func (e *Engine) Unassign(id string) { e.schedule.Unassign(id) }

// ErrNotOwner is returned for what only the owner of a repository can do.
var ErrNotOwner = schedule.ErrNotOwner

// Sync has upstream asked by a check that starts after this call, whatever the
// interval says, and waits for what it comes to. Calls that come while one
// waits share it.
func (e *Engine) Sync(ctx context.Context, id string) (SyncResult, error) {
	return e.schedule.Check(ctx, id)
}

// Request is Sync without the wait.
func (e *Engine) Request(id string) error { return e.schedule.Request(id) }

// StopChecks ends what asks upstreams, for good, while copies are served and
// copied from on: a node that is about to stop publishes nothing new that only
// it has. A publish that is under way is waited for, within ctx.
func (e *Engine) StopChecks(ctx context.Context) { e.schedule.StopChecks(ctx) }

// Alone says whether this node is cut off from all who could take what it finds: while it
// is, upstreams are asked only for checks that somebody waits for.
func (e *Engine) Alone(alone bool) { e.schedule.Alone(alone) }

// Returned says that another node is up again which was down: what is lost is asked for soon,
// since it may be there.
func (e *Engine) Returned() { e.schedule.Returned() }

// Remove cancels what runs for the repository, takes its copy out of service
// and forgets it. It is for copies whose removal the log holds, and for
// nothing else. Removing what is not there is nil.
func (e *Engine) Remove(ctx context.Context, id string) error {
	if err := e.schedule.Remove(ctx, id); err != nil {
		return err
	}
	if err := e.store.Trash(id, e.cfg.LogTime().Now); err != nil {
		return err
	}
	e.prover.Forget(id)
	e.worker.Forget(id)
	return nil
}

// TakeBack brings a copy of the repository back from the trash, where there is one and none is
// here. What comes back is tested as what is suspected is: it may have been thrown away before
// anybody saw that it cannot be read. It blocks for the disk, and no longer.
func (e *Engine) TakeBack(id string) error {
	r, err := e.store.TakeBack(id)
	if r != nil {
		generation, _ := r.Generation()
		e.log.Info("a copy is taken back from the trash", "repo", r.Name(), "generation", generation)
		e.prover.Suspect(r, errTrashed)
	}
	return err
}

// errTrashed is why a copy is tested that comes back.
var errTrashed = errors.New("it was in the trash")

// Doubt has a copy tested that somebody could not read: a peer's word is a reason to
// look, and no evidence.
func (e *Engine) Doubt(id string) {
	if r := e.store.Repo(id); r != nil {
		e.prover.Suspect(r, errors.New("a peer says that what it was sent is damaged"))
	}
}

// Maintain has jobs done on the copy of a repository, before what is due, and tells whether it is
// here. It does not wait for them: see Status.
func (e *Engine) Maintain(id string, jobs []Job) bool { return e.maintain.Ask(id, jobs...) }

// Status tells what this node holds of a repository; ok is false when it holds
// nothing and was not asked to.
func (e *Engine) Status(id string) (Status, bool) {
	r := e.store.Repo(id)
	var s Status
	known, assigned := e.schedule.State(id)
	if r == nil && !assigned {
		return Status{}, false
	}
	if r != nil {
		s.Prepared.Generation, s.Prepared.Digest, _, _ = r.Candidate() // before what is live, which it may become meanwhile
		s.Generation, s.Digest = r.Generation()
	}
	s.Upkeep = e.maintain.Status(id)
	f := e.worker.Findings(id)
	s.Fetch = f.Fetch
	s.Broken, s.Syncing, s.Checked, s.Judged, s.Heard = known.Broken, f.Syncing, known.Checked, known.Judged, known.Heard
	s.Stale, s.LastCheck, s.Failures, s.Failure, s.Hold = known.Stale, known.LastCheck, known.Failures, known.Failure, known.Hold
	if known.Owner {
		s.NextCheck, s.Interval, s.Parked = known.NextCheck, known.Interval, known.Parked
		if at := e.cfg.LogTime(); at.DatesHold && !known.AsOf.IsZero() {
			s.AsOf = at.Now.Add(known.AsOf.Sub(e.cfg.Clock.Now()))
		}
		s.Skipped, s.FirstSkipped, s.Pinned, s.Moved = f.Skipped, f.FirstSkipped, f.Pinned, f.Moved
		s.URL, s.Rests, s.Probe = known.URL, known.Rests, known.Probe
	}
	if known.Owner && s.Generation > 0 && s.Generation < known.Generation {
		s.Behind = &Behind{Have: s.Generation, Published: known.Generation}
	}
	return s, true
}

// Load is what there is to do here, and what is in use. Nothing of it waits for the disk.
type Load struct {
	schedule.Load
	Packs     schedule.Line // that are made for clients
	CopyPacks int           // that the copies lie in, some minutes ago
	Condition Condition
	Disk      disk.Usage // some seconds ago
}

// Load tells how much there is to do. It looks at each repository once.
func (e *Engine) Load() Load {
	load := Load{Load: e.schedule.Load(), Condition: e.Condition(), Disk: e.space.Usage(), CopyPacks: e.maintain.Packs()}
	load.Packs.Running, load.Packs.Waiting = e.serve.Packs()
	return load
}

// Freshness tells how new is what this node owns. It looks at each repository once.
func (e *Engine) Freshness() Freshness { return e.schedule.Freshness() }

// Counts sums up all repositories: those a git process works on, and those
// this node owns whose last check is older than three intervals.
func (e *Engine) Counts() (syncing, stale int) { return e.worker.Syncing(), e.schedule.Stale() }
