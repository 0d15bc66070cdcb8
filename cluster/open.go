package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"gitmirror/internal/network"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"
)

// Cluster is this node's part in a cluster.
type Cluster struct {
	cfg       Config
	port      *Port
	store     *store
	transport *raftTransport
	endCalls  context.CancelFunc // of raft to others
	raft      *raft.Raft
	opened    atomic.Pointer[raft.Raft] // raft, for what raft itself calls before NewRaft has returned
	gossip    *gossip

	leadership   leadership
	notices      chan bool             // from raft: this node leads, or no longer does
	observations chan raft.Observation // from raft: another leads
	progress     *progress
	applied      *applied
	quietUpTo    atomic.Uint64 // no command of ours between applied.index and it

	member      atomic.Bool // a configuration has named this node
	removed     chan struct{}
	removedOnce sync.Once

	disk diskHealth

	fatal   chan error
	closing atomic.Bool
	stop    context.CancelFunc // ends what wg waits for
	wg      sync.WaitGroup
	down    chan struct{} // closed when raft is

	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error
}

// Open takes part in the cluster cfg.ClusterID through a port, which belongs
// to the Cluster from then on. A node with raft state in cfg.Dir goes on where
// it was; one without founds a cluster of one if cfg.Founder, or else waits
// for a leader that adds it. Open does not wait for a leader.
func Open(ctx context.Context, cfg Config, port *Port) (*Cluster, error) {
	cfg = cfg.withDefaults(port.Addr())
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	advertised, err := resolve(ctx, port.network, cfg.Advertise)
	if err != nil {
		return nil, fmt.Errorf("resolve advertised address: %w", err)
	}
	id := identity{cluster: uuid.MustParse(cfg.ClusterID), node: uuid.MustParse(cfg.ID)}
	tenant, err := port.attach(id, cfg.Log)
	if err != nil {
		return nil, err
	}

	c := &Cluster{
		cfg:          cfg,
		port:         port,
		notices:      make(chan bool, 16),
		observations: make(chan raft.Observation, 16),
		progress:     newProgress(),
		removed:      make(chan struct{}),
		fatal:        make(chan error, 1),
		down:         make(chan struct{}),
		closed:       make(chan struct{}),
	}
	c.applied = &applied{FSM: cfg.FSM, configured: c.watchRemoval}
	running, stop := context.WithCancel(context.Background())
	c.stop = stop

	wire := &packets{tenant: tenant, udp: port.udp, ip: advertised[0].Addr().AsSlice(), port: int(advertised[0].Port()), network: port.network, log: cfg.Log}
	if err := c.openParts(wire); err != nil {
		c.undo()
		return nil, fmt.Errorf("open cluster: %w", err)
	}
	c.wg.Go(func() { c.followRaft(running) })
	c.wg.Go(func() { c.mendLog(running) })
	c.wg.Go(func() {
		if err := c.watchDisk(running); err != nil {
			c.fail(err)
		}
	})
	c.wg.Go(func() { newReserve(cfg.Disk, cfg.Dir, cfg.Log).run(running) })
	if cfg.Seeds != nil {
		c.wg.Go(func() { c.keepContact(running) })
	}
	return c, nil
}

// openParts starts gossip first, because raft asks it for addresses.
func (c *Cluster) openParts(wire *packets) error {
	gossip, err := startGossip(c.cfg, wire, newBridge(c.cfg.Log, gossipCeiling, &c.closing, c.cfg.NameOf))
	if err != nil {
		return err
	}
	c.gossip = gossip
	return c.openRaft(wire.tenant)
}

func (c *Cluster) openRaft(tenant *tenant) error {
	log := newBridge(c.cfg.Log, raftCeiling, &c.closing, c.cfg.NameOf).hclog()
	store, err := openStore(c.cfg, log)
	if err != nil {
		return err
	}
	c.store = store
	store.ledger.failed = c.storeFailed

	lookup := &addresses{
		self:      raft.ServerID(c.cfg.ID),
		advertise: raft.ServerAddress(c.cfg.Advertise),
		gossiped:  c.gossip.alive,
		agreed:    c.agreedAddr,
	}
	calls, endCalls := context.WithCancel(context.Background())
	c.endCalls = endCalls
	streams := &raftStreams{tenant: tenant, advertise: hostPort(c.cfg.Advertise), network: c.port.network, calls: calls}
	c.transport = newRaftTransport(streams, lookup, c.progress, log)

	conf := raftConfig(c.cfg)
	conf.NotifyCh = c.notices
	conf.Logger = log
	if err := c.startRaft(conf); err != nil {
		return err
	}
	c.opened.Store(c.raft)
	c.raft.RegisterObserver(raft.NewObserver(c.observations, true, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	}))
	if _, ok := c.agreedAddr(c.cfg.ID); ok {
		c.member.Store(true)
	}
	return nil
}

// startRaft runs in a goroutine of its own, because the store ends the one whose
// call it cannot answer.
func (c *Cluster) startRaft(conf *raft.Config) error {
	started := make(chan error, 1)
	go func() {
		defer close(started)
		started <- c.startRaftHere(conf)
	}()
	if err, answered := <-started; answered {
		return err
	}
	return c.store.ledger.failure()
}

func (c *Cluster) startRaftHere(conf *raft.Config) error {
	c.store.serve(c.handedOn)
	if c.cfg.Founder {
		if err := c.store.found(conf, c.transport, c.cfg.Advertise); err != nil {
			return err
		}
	}
	if c.cfg.LogID == "" && c.cfg.LogMade != nil {
		if err := c.cfg.LogMade(c.store.id); err != nil {
			return fmt.Errorf("note the raft log: %w", err)
		}
	}
	started, err := raft.NewRaft(conf, c.applied, c.store, c.store.stable, c.store.snapshots, c.transport)
	if err != nil {
		return fmt.Errorf("start raft: %w", cmp.Or(c.applied.refused, err))
	}
	c.raft = started
	return nil
}

// handedOn is the index up to which raft has read the log for the state
// machine.
func (c *Cluster) handedOn() uint64 {
	if r := c.opened.Load(); r != nil {
		return r.AppliedIndex()
	}
	return 0
}

// storeFailed ends this node's part. What raft logs from now on follows from
// that, and would only hide the reason.
func (c *Cluster) storeFailed(err error) {
	c.closing.Store(true)
	c.fail(err)
}

func raftConfig(cfg Config) *raft.Config {
	conf := raft.DefaultConfig() // with PreVote
	conf.LocalID = raft.ServerID(cfg.ID)
	conf.HeartbeatTimeout = cfg.Timing.election()
	conf.ElectionTimeout = cfg.Timing.election()
	conf.LeaderLeaseTimeout = cfg.Timing.lease()
	conf.SnapshotInterval = cfg.SnapshotInterval
	conf.SnapshotThreshold = cfg.SnapshotThreshold
	conf.TrailingLogs = cfg.TrailingLogs
	conf.ShutdownOnRemove = false
	conf.NoLegacyTelemetry = true
	return conf
}

// resolve finds the IP addresses, one at least, and the port of host:port: gossip knows no
// names.
func resolve(ctx context.Context, on network.Network, address string) (list []netip.AddrPort, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	ips, err := on.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(number)))
	}
	return list, nil
}

// Closed is closed when Shutdown or Abort is done.
func (c *Cluster) Closed() <-chan struct{} { return c.closed }

// Fatal delivers the reason for which the process has to end.
func (c *Cluster) Fatal() <-chan error { return c.fatal }

func (c *Cluster) fail(err error) {
	select {
	case c.fatal <- err:
	default: // the first reason is enough
	}
}
