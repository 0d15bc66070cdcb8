package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/raft"

	"gitmirror/internal/crashpoint"
	"gitmirror/internal/disk"
)

// MetaMaxSize is how much a node may tell all others through gossip.
const MetaMaxSize = 400

// Config says who this node is and how it takes part.
type Config struct {
	ID        string // UUID, made once for a data directory: what raft and gossip know the node by
	Name      string // for people
	ClusterID string // UUID, made by the founder

	Dir       string     // raft's log, votes and snapshots; made if missing
	Disk      *disk.Disk // that they are on; default this machine's
	Advertise string     // host:port that other nodes dial; default the bound address

	// LogID is the log that Dir must hold: what LogMade was told by an earlier
	// Open. A node that starts over with an empty log could vote, and forget
	// what it has acknowledged, so Open refuses with ErrLogLost. Empty while
	// LogMade has not returned yet.
	LogID string
	// LogMade notes, durably, the id of the log in Dir. Open calls it when
	// LogID is empty, after the log is durable and before this node answers
	// anybody. May be nil.
	LogMade func(id string) error
	// Mark is a file outside of Dir that keeps how far the log was: Open refuses,
	// with ErrLogLost, a Dir that was put back from a backup. Empty: none.
	Mark string

	Timing  Timing // default TimingNormal
	Founder bool   // start a cluster of one, unless Dir already holds raft state
	FSM     raft.FSM
	Meta    []byte // told to all nodes through gossip, at most MetaMaxSize bytes
	Log     *slog.Logger
	// NameOf is what people call the node of an id, in the log; empty where it is not known.
	// It must not block, and may be nil.
	NameOf func(id string) string

	// Seeds are addresses where members should be. Gossip forgets the dead,
	// so every SeedInterval, and more often at first, those without a living member are dialled again.
	// It is called from one goroutine and must not block. May be nil.
	Seeds        func() []string
	SeedInterval time.Duration // default 10 s

	SnapshotInterval  time.Duration // how often to see whether a snapshot is due; default 2 min
	SnapshotThreshold uint64        // entries since the last that make it due; default 8192
	TrailingLogs      uint64        // entries kept behind it for followers that lag; default 10240

	// A node ends when a probe of Dir goes unanswered, or a write to the log does
	// not end, for too long. raft cannot depose a leader whose disk hangs, so a
	// leader ends after DiskTimeout, if Replaceable says that others can do without
	// it: that the other live voters whose own disks do not hang are a majority.
	// Everybody else, and a leader that nobody could replace, waits for
	// DiskPatience. Replaceable is called every 100 ms from DiskTimeout on, and must
	// not block. May be nil: never.
	Replaceable  func() bool
	DiskTimeout  time.Duration // default 2 s
	DiskPatience time.Duration // default 30 s
}

func (c Config) withDefaults(bound string) Config {
	setDefault(&c.Advertise, bound)
	setDefault(&c.Timing, TimingNormal)
	setDefault(&c.Log, slog.New(slog.DiscardHandler))
	setDefault(&c.SeedInterval, 10*time.Second)
	every, entries := crashpoint.Snapshots()
	setDefault(&c.SnapshotInterval, every)
	setDefault(&c.SnapshotThreshold, entries)
	setDefault(&c.SnapshotInterval, 2*time.Minute)
	setDefault(&c.SnapshotThreshold, 8192)
	setDefault(&c.TrailingLogs, 10240)
	setDefault(&c.DiskTimeout, 2*time.Second)
	setDefault(&c.DiskPatience, 30*time.Second)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports everything that is wrong with a configuration.
func (c Config) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if _, err := uuid.Parse(c.ID); err != nil {
		refuse("node id %q: %w", c.ID, err)
	}
	if _, err := uuid.Parse(c.ClusterID); err != nil {
		refuse("cluster id %q: %w", c.ClusterID, err)
	}
	if c.Name == "" {
		refuse("node name is empty")
	}
	if c.Dir == "" {
		refuse("raft directory is not set")
	}
	if c.FSM == nil {
		refuse("state machine is not set")
	}
	if _, err := ParseTiming(string(c.Timing)); err != nil {
		errs = append(errs, err)
	}
	if len(c.Meta) > MetaMaxSize {
		refuse("node meta is %d bytes, at most %d fit", len(c.Meta), MetaMaxSize)
	}
	if c.Advertise != "" {
		if err := dialable(c.Advertise); err != nil {
			errs = append(errs, err)
		}
	}
	if size := len(c.card().encode()); size > memberlist.MetaMaxSize {
		refuse("name, advertised host and meta take %d bytes of gossip, at most %d fit: shorten the name", size, memberlist.MetaMaxSize)
	}
	if len(errs) > 0 {
		return fmt.Errorf("cluster configuration: %w", errors.Join(errs...))
	}
	return nil
}

// dialable refuses addresses that other nodes could not dial.
func dialable(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("advertised address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return fmt.Errorf("advertised address %q names no host: set the address that other nodes can reach", addr)
	}
	if port == "0" {
		return fmt.Errorf("advertised address %q has no port", addr)
	}
	return nil
}
