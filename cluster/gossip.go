package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"gitmirror/internal/signal"

	"github.com/hashicorp/memberlist"
)

// Member is a node as gossip sees it: a hint.
type Member struct {
	ID    string
	Name  string
	Addr  string // host:port of its peer port
	Meta  []byte
	Alive bool
}

const (
	// forgetDead is how long a dead member is listed.
	forgetDead = time.Hour

	leaveTimeout = time.Second
)

// gossip is the membership as told by memberlist.
type gossip struct {
	list    *memberlist.Memberlist
	changed signal.Signal
	card    []byte

	mu      sync.RWMutex
	members map[string]sighting
}

type sighting struct {
	Member
	gossipAddr string // IP and port, where Addr may hold a name
	since      time.Time
}

// startGossip joins nobody yet.
func startGossip(cfg Config, transport *packets, log *bridge) (*gossip, error) {
	g := &gossip{card: cfg.card().encode(), members: make(map[string]sighting)}

	conf := memberlist.DefaultLANConfig()
	conf.Name = cfg.ID
	conf.Label = cfg.ClusterID
	conf.Transport = transport
	conf.BindPort = transport.port
	conf.Logger = log.stdlog()
	conf.Delegate = (*gossipDelegate)(g)
	conf.Events = (*gossipEvents)(g)
	conf.MsgpackUseNewTimeFormat = true

	// A killed node is found within about 3 s: probed within 1 s, missed for
	// 0.5 s, suspected for 2 s.
	conf.ProbeInterval = 500 * time.Millisecond
	conf.ProbeTimeout = 250 * time.Millisecond
	conf.SuspicionMult = 4
	conf.SuspicionMaxTimeoutMult = 3
	conf.GossipInterval = 100 * time.Millisecond
	conf.TCPTimeout = 5 * time.Second

	// A node that was stopped and goes on hears of its death, from gossip to
	// the dead or from its next full exchange, and contradicts it. One that
	// comes back elsewhere takes its name over as soon as it is dead.
	conf.PushPullInterval = 10 * time.Second
	conf.GossipToTheDeadTime = 30 * time.Second
	conf.DeadNodeReclaimTime = time.Second

	transport.start()
	list, err := memberlist.Create(conf)
	if err != nil {
		_ = transport.Shutdown()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	g.list = list
	return g, nil
}

// stop leaves the membership, if asked to say good-bye, and ends gossip.
func (g *gossip) stop(leave bool) error {
	if leave {
		// An error means that nobody heard it; they will notice.
		_ = g.list.Leave(leaveTimeout)
	}
	if err := g.list.Shutdown(); err != nil {
		return fmt.Errorf("stop gossip: %w", err)
	}
	return nil
}

func (g *gossip) see(node *memberlist.Node, alive bool) {
	addr := node.Address()
	m := sighting{
		Member:     Member{ID: node.Name, Addr: addr, Alive: alive},
		gossipAddr: addr,
		since:      time.Now(),
	}
	if card, err := decodeCard(node.Meta); err == nil {
		m.Name, m.Meta = card.name, card.meta
		if card.host != "" {
			m.Addr = net.JoinHostPort(card.host, strconv.Itoa(int(node.Port)))
		}
	}
	g.mu.Lock()
	g.members[m.ID] = m
	maps.DeleteFunc(g.members, func(_ string, m sighting) bool {
		return !m.Alive && time.Since(m.since) > forgetDead
	})
	g.mu.Unlock()
	g.changed.Fire()
}

func (g *gossip) snapshot() []Member {
	g.mu.RLock()
	defer g.mu.RUnlock()
	members := make([]Member, 0, len(g.members))
	for _, m := range g.members {
		members = append(members, m.Member)
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return members
}

// alive is the address of a living member.
func (g *gossip) alive(id string) (string, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	m, ok := g.members[id]
	return m.Addr, ok && m.Alive
}

// missing are the addresses at which no member lives.
func (g *gossip) missing(addrs []string) []string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return slices.DeleteFunc(slices.Clone(addrs), func(addr string) bool {
		for _, m := range g.members {
			if m.Alive && (m.Addr == addr || m.gossipAddr == addr) {
				return true
			}
		}
		return false
	})
}

// gossipEvents receives memberlist's events. They come under its lock, which
// is why a node may be read here and nowhere else.
type gossipEvents gossip

func (e *gossipEvents) NotifyJoin(n *memberlist.Node)   { (*gossip)(e).see(n, true) }
func (e *gossipEvents) NotifyUpdate(n *memberlist.Node) { (*gossip)(e).see(n, true) }
func (e *gossipEvents) NotifyLeave(n *memberlist.Node)  { (*gossip)(e).see(n, false) }

// gossipDelegate gives memberlist this node's card, and has nothing to add.
type gossipDelegate gossip

func (d *gossipDelegate) NodeMeta(int) []byte             { return d.card }
func (d *gossipDelegate) NotifyMsg([]byte)                {}
func (d *gossipDelegate) GetBroadcasts(int, int) [][]byte { return nil }
func (d *gossipDelegate) LocalState(bool) []byte          { return nil }
func (d *gossipDelegate) MergeRemoteState([]byte, bool)   {}

// Members lists the nodes that gossip knows, this one included, by id. The
// dead are listed for an hour.
func (c *Cluster) Members() []Member { return c.gossip.snapshot() }

// MembersChanged is closed when a member next comes, goes or changes.
func (c *Cluster) MembersChanged() <-chan struct{} { return c.gossip.changed.Next() }

// JoinGossip introduces this node to the members at the given addresses and
// returns how many it reached. It fails only if it reached none.
func (c *Cluster) JoinGossip(ctx context.Context, addrs []string) (int, error) {
	var found []string
	var unknown error
	for _, addr := range addrs {
		list, err := resolve(ctx, c.port.network, addr) // memberlist would ask this machine's resolver
		unknown = errors.Join(unknown, err)
		for _, a := range list {
			found = append(found, a.String())
		}
	}
	if len(found) == 0 {
		return 0, unknown
	}
	n, err := c.gossip.list.Join(found)
	if err != nil {
		return n, fmt.Errorf("join gossip: %w", err)
	}
	return n, nil
}

// keepContact dials the seeds whose members are dead or unknown, for as long
// as the cluster is open: memberlist does not. At first it does so more often: all
// may be starting at once.
func (c *Cluster) keepContact(ctx context.Context) {
	for wait := firstSeedInterval; ; wait *= 2 {
		// One by one, so that a dead seed's timeout is not a reason to stop.
		for _, addr := range c.gossip.missing(c.cfg.Seeds()) {
			if ctx.Err() != nil {
				return
			}
			if _, err := c.JoinGossip(ctx, []string{addr}); err != nil {
				c.cfg.Log.Debug("dial seed", "addr", addr, "err", err)
			}
		}
		wait = min(wait, c.cfg.SeedInterval)
		next := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case <-next.C:
		}
	}
}

const firstSeedInterval = time.Second
