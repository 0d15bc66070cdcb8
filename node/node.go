package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"gitmirror/agent"
	"gitmirror/cluster"
	"gitmirror/coordinator"
	"gitmirror/fsm"
	"gitmirror/internal/advice"
	"gitmirror/internal/descriptors"
	"gitmirror/internal/egress"
	"gitmirror/internal/network"
	"gitmirror/internal/wallclock"
	"gitmirror/leader"
	"gitmirror/membership"
	"gitmirror/metrics"
	"gitmirror/mirror"
	"gitmirror/mirror/git"
	"gitmirror/peer"
	"gitmirror/server"
	"gitmirror/source/lister"
	"gitmirror/story"
)

// parts are what a running node is made of.
type parts struct {
	machine     *machine
	cluster     *cluster.Cluster
	consensus   consensus
	coordinator *coordinator.Coordinator
	agent       *agent.Agent
	lister      *lister.Lister
	reach       *leader.Reach
	agreement   *membership.Agreement
	standby     *membership.Standby
	engine      *mirror.Engine
	copies      copies
	server      *server.Server
	story       *story.Teller
}

// node is a node from the first step of its start to the last of its stop.
type node struct {
	cfg     Config
	given   given
	log     *slog.Logger
	id      *membership.Identity
	runID   string // ULID of this process, its run of the data directory
	was     Place  // where the node was before this process
	info    Info
	lock    *os.File
	git     *git.Runner // nil where there is none
	metrics *metrics.Metrics
	waiting waiting           // what the start waits for
	web     *descriptors.Gate // at --http
	doors   doors             // web, and what is open beside it
	port    *cluster.Port
	peers   *peer.Client
	greeter greeter
	ready   chan struct{} // closed once caught up
	parts                 // made by build
	member  member        // made by build
	opened  atomic.Pointer[cluster.Cluster]
}

// given is what flags mean.
type given struct {
	timing cluster.Timing
	policy *egress.Policy
}

// Run runs a node until ctx ends, then stops it in good order: no new requests,
// work ended or killed after a bound, leadership handed over, gossip left,
// stores closed. It returns nil after that, or the reason it could not go on.
func Run(ctx context.Context, cfg Config) (err error) {
	cfg.Network = network.Or(cfg.Network)
	if cfg.Clock == nil {
		cfg.Clock = wallclock.Now
	}
	n := &node{cfg: cfg, ready: make(chan struct{})}
	// 1. What are we asked for, who are we, and is the directory ours alone?
	if _, err := n.check(); err != nil {
		return err
	}
	if err := n.identify(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.lock.Close()) }()
	// 2. Is there a git that will do, or do we go without?
	if err = n.findGit(ctx); err != nil {
		return n.unless(ctx, err)
	}
	if n.git != nil {
		defer n.git.Close()
	}
	stopMeasuring, err := n.measure()
	if err != nil {
		return err
	}
	defer stopMeasuring()
	// 3. The ports, and who answers on the peer port before there is anything
	// else to say than hello.
	if n.web, n.port, err = listen(n.cfg); err != nil {
		return err
	}
	defer n.web.Close()
	n.runID = ulid.Make().String()
	if n.was, err = n.id.Begin(n.runID, n.bound()); err != nil {
		return errors.Join(err, n.port.Close())
	}
	n.introduce()
	n.openDoors()
	defer n.doors.close()
	peers := n.answer(doors{{Gate: descriptors.NewGate(n.port.HTTP(), descriptors.Ours().Peers)}}, func(*answering) http.Handler { return peer.Greet(n.id.Cluster, n.greeter) })
	defer peers.close()
	public := n.answer(n.doors, func(a *answering) http.Handler { return server.Starting(a.started, n.waiting.now, a) })
	defer public.close()
	// 4. The cluster: founded, joined, or the one we are in.
	if err := n.enter(ctx); err != nil {
		if err = n.unless(ctx, err); err != nil {
			err = n.nothingCame(err)
		}
		return errors.Join(err, n.port.Close())
	}
	// 5. Everything else, in order of need.
	if err := n.build(ctx); err != nil {
		return n.unless(ctx, err)
	}
	peers.serve(n.peerHandler())
	public.serve(n.doors.handler(n.server))
	// 6. Run, and stop in reverse.
	return n.run(ctx, public)
}

// unless is why a start came to nothing, unless it was told to stop meanwhile: then it is not
// to blame.
func (n *node) unless(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	n.log.Debug("stopped before it served", "err", err)
	return nil
}

// Check reads a configuration as Run does before it touches anything, and returns it with
// name and addresses as a node.json in Dir completes them, or why Run would refuse it.
func Check(cfg Config) (Config, error) { return (&node{cfg: cfg}).check() }

// Kept is the place that a node.json in a data directory keeps; none where there is no such
// file.
func Kept(dir string) Place {
	at, _ := membership.Kept(nil, dir)
	return at
}

// Runs tells whether a process has the data directory: a node, or git that one has left.
func Runs(dir string) bool { return membership.Held(nil, dir) }

// check reads the settings.
func (n *node) check() (settled Config, err error) {
	bad := func(format string, args ...any) error {
		return &advice.Error{Code: 2, Message: fmt.Sprintf(format, args...)}
	}
	if n.given.timing, err = cluster.ParseTiming(n.cfg.Timing); err != nil {
		return n.cfg, bad("--raft-timing %q is not one of fast, normal and slow", n.cfg.Timing)
	}
	if n.given.policy, err = egress.NewPolicy(n.cfg.AllowUpstream); err != nil {
		return n.cfg, bad("--allow-upstream: %v", err)
	}
	if n.cfg.Engine = cmp.Or(n.cfg.Engine, EngineAuto); !slices.Contains(Engines, n.cfg.Engine) {
		return n.cfg, bad("--engine %q is not one of %s", n.cfg.Engine, strings.Join(Engines, ", "))
	}
	for source, path := range n.cfg.SourceTokens {
		if err := checkToken(path); err != nil {
			return n.cfg, bad("--source-token %s: %v", source, err)
		}
	}
	if n.cfg.Dir, err = filepath.Abs(n.cfg.Dir); err != nil { // git runs in directories of its own
		return n.cfg, bad("--data: %v", err)
	}
	// Before the directory is made, or anything in it: what is refused changes nothing.
	kept, cluster := membership.Kept(n.cfg.Disk, n.cfg.Dir)
	if cluster == "" {
		if err := checkExpect(n.cfg); err != nil {
			return n.cfg, err
		}
	}
	return n.cfg.settle(kept)
}

func (n *node) identify(ctx context.Context) (err error) {
	waits := func(what string) {
		n.cfg.Log.Warn("waits for " + what)
		if n.cfg.Waits != nil {
			n.cfg.Waits(what)
		}
	}
	if n.lock, err = membership.Lock(ctx, n.cfg.Disk, n.cfg.Dir, waits); err != nil {
		return err
	}
	makeRoom := func() error { return cluster.GiveUpReserve(n.cfg.Disk, n.raftDir()) }
	if n.id, err = membership.LoadIdentity(n.cfg.Disk, n.cfg.Dir, fsm.Format, makeRoom); err != nil {
		return errors.Join(err, n.lock.Close())
	}
	if err = n.id.Whole(); err != nil {
		return errors.Join(err, n.lock.Close())
	}
	said := n.cfg
	if n.cfg, err = said.settle(n.id.Place); err != nil { // another process may have written it meanwhile
		return errors.Join(err, n.lock.Close())
	}
	n.log = n.cfg.Log.With("self", n.cfg.Name)
	said.tellIgnored(n.cfg, n.log)
	return nil
}

func (n *node) raftDir() string { return filepath.Join(n.cfg.Dir, "raft") }

// introduce settles the addresses others reach this node by.
func (n *node) introduce() {
	n.info = Info{Name: n.cfg.Name, Peer: n.port.Addr(), HTTP: "http://" + n.web.Addr().String()}
	if n.cfg.Advertise != "" {
		n.info.Peer = n.cfg.Advertise
	}
	if n.cfg.AdvertiseHTTP != "" {
		n.info.HTTP = "http://" + n.cfg.AdvertiseHTTP
	}
	n.peers = peer.NewClient(n.cfg.Network, n.id.Cluster, n.metrics.Peers.Called).Remembering(n.id.Incarnations)
	n.greeter = greeter{cfg: n.cfg, id: n.id, run: n.runID, claims: &membership.Claims{}, newer: make(chan struct{}, 1)}
	if n.cfg.Expect > 0 && n.id.Cluster() == "" {
		n.greeter.waits = &membership.Gathering{Applicant: n.applicant(), Expect: n.cfg.Expect}
	}
}

// enter makes sure that this node has a cluster.
func (n *node) enter(ctx context.Context) error {
	switch {
	case n.id.ClusterID != "" && len(n.cfg.Join) > 0:
		if err := n.applicant().CheckSeeds(ctx, n.cfg.Join); errors.Is(err, membership.ErrSuperseded) {
			return superseded(err)
		} else if err != nil {
			return err
		}
		n.log.Info("this node has a cluster already, --join is not needed", "cluster", n.id.ClusterID)
	case n.id.ClusterID != "":
	case n.greeter.waits != nil:
		if err := n.gather(ctx); err != nil {
			return err
		}
	case len(n.cfg.Join) == 0:
		if err := n.id.Alone(); err != nil {
			return err
		}
		if err := n.id.Enter(uuid.NewString(), true); err != nil {
			return err
		}
	default:
		id, err := n.applicant().Join(ctx, n.cfg.Join)
		if err != nil {
			return err
		}
		if err := n.id.Enter(id, false); err != nil {
			return err
		}
		n.log.Info("joined", "cluster", id)
	}
	if err := n.onlyProcess(ctx); err != nil {
		return err
	}
	n.info.ClusterID, n.info.Founded = n.id.ClusterID, n.id.Founding
	return nil
}

// build constructs the parts. Nothing of it works before run.
func (n *node) build(ctx context.Context) (err error) {
	p := &n.parts
	p.machine = newMachine()
	var standby atomic.Pointer[membership.Standby] // of the cluster that is being opened
	p.cluster, err = cluster.Open(ctx, cluster.Config{
		ID: n.id.ID, Name: n.cfg.Name, ClusterID: n.id.ClusterID, Dir: n.raftDir(), Disk: n.cfg.Disk, Advertise: n.info.Peer,
		Timing: n.given.timing, Founder: n.id.Founding, FSM: p.machine, Log: n.log, NameOf: n.nameOf, Seeds: n.seeds,
		LogID: n.id.Log, LogMade: n.id.LogMade, Mark: filepath.Join(n.cfg.Dir, "raft.mark"), Replaceable: func() bool { s := standby.Load(); return s != nil && s.Enough() },
	}, n.port)
	if err != nil {
		return errors.Join(n.storeProblem(err), n.port.Close())
	}
	n.opened.Store(p.cluster)
	clock := coordinator.NewLogClock(p.machine.state, n.cfg.Clock)
	p.reach = &leader.Reach{Self: n.id.ID, Consensus: p.cluster, Peers: n.peers, Clock: n.cfg.Clock, Now: clock.Now,
		Format: func() uint32 { return p.machine.state.View().Format() }, Proposed: n.metrics.Proposals.Proposed}
	p.standby = &membership.Standby{ID: n.id.ID, Hangs: p.cluster.DiskHangs, Voters: p.voters, Call: n.peers}
	standby.Store(p.standby)
	p.agreement = &membership.Agreement{ID: n.id.ID, Marks: p.marks, Voters: p.voters, Call: n.peers}
	p.consensus = consensus{Cluster: p.cluster, reach: p.reach, ready: n.ready}
	p.agent = agent.New(agent.Config{Self: n.id.ID, Leader: p.consensus, CaughtUp: n.ready, State: p.machine.state, Proposer: p.reach, Peers: gitPeers{n.peers},
		ReplaceAfter: n.cfg.ReplaceAfter, Budgets: n.cfg.Hosts, Log: n.log})
	p.engine, err = mirror.New(ctx, mirror.Config{
		Dir: n.cfg.Dir, Disk: n.cfg.Disk, StartID: uuid.NewString(), Git: n.git, Memory: n.cfg.GitMemory, Egress: n.given.policy, Network: n.cfg.Network, Upstream: n.cfg.Upstream, Objects: n.cfg.Objects, Publisher: p.agent, Locator: p.agent, Rows: p.agent,
		Changed: p.agent.Changed, ConditionChanged: p.agent.ConditionChanged, LogTime: p.machine.logTime, Bounds: n.cfg.Bounds, Rate: p.agent.Rate, Reserve: n.cfg.MinFree, MaxSize: n.cfg.MaxSize, MaxObject: n.cfg.MaxObject, Agent: "gitmirror/" + n.cfg.Version, Meter: n.metrics.Mirror, Log: n.log,
	})
	if err != nil {
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
		defer cancel()
		return errors.Join(n.storeProblem(err), p.cluster.Shutdown(bound))
	}
	p.copies = copies{engine: p.engine}
	p.lister = lister.New(lister.Config{Self: n.id.ID, State: p.machine.state, Proposer: p.reach, Indexes: indexes{p.engine}, Forges: newForges(n.cfg, n.given.policy, n.log),
		Now:   func() time.Time { return p.machine.logTime().Now },
		NewID: func() string { return ulid.Make().String() }, Alone: p.agent.Alone, Deny: denies(n.given.policy), Log: n.log})
	p.coordinator = coordinator.New(coordinator.Config{
		Self: n.id.ID, ClusterID: n.id.ClusterID, Former: n.id.Incarnations(), State: p.machine.state, Proposer: p.reach, Members: p.consensus, Voters: voters{p.cluster},
		Nodes: processes{n.peers}, Clock: clock, Egress: n.given.policy, ReplaceAfter: n.cfg.ReplaceAfter, Log: n.log,
	})
	n.member = member{n.greeter, p.copies, p}
	p.server = server.New(server.Config{
		Self: n.id.ID, State: p.machine.state, Consensus: p.consensus, Writer: writer{p.coordinator}, Git: p.copies,
		Peers: n.peers, Local: n.member, Now: func() time.Time { return p.machine.logTime().Now },
		Hosts: hostNames(n.cfg), Bodies: p.engine.Bodies(), Meter: n.metrics.Serving, Metrics: n.metrics, Stopping: ctx.Done(), Log: n.log,
	})
	p.story = story.New(story.Config{Self: n.id.ID, State: p.machine.state, Log: n.log, Disk: n.cfg.Disk, Path: filepath.Join(n.cfg.Dir, "told")})
	return nil
}

// nameOf is the name of a member, empty where this node does not know it.
func (n *node) nameOf(id string) string {
	if row := n.machine.state.View().NodeByID(id); row != nil {
		return row.Name
	}
	if id == n.id.ID {
		return n.cfg.Name
	}
	return ""
}

// gitPeers adds to the peer client where git fetches from.
type gitPeers struct{ *peer.Client }

func (gitPeers) GitURL(addr, id string) string { return "http://" + addr + peer.PathGit + id }
