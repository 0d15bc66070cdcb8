package cluster

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"gitmirror/internal/network"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

const (
	raftPool    = 3
	raftTimeout = 10 * time.Second // of one raft call, dialling included
)

// raftStreams is raft's stream layer on the peer port.
type raftStreams struct {
	*tenant
	advertise hostPort
	network   network.Network
	calls     context.Context // of all calls to others: raft knows no other way to end one
}

// call is a stream to another node, which ends with all calls.
type call struct {
	net.Conn
	stop func() bool
}

func (c *call) Close() error {
	c.stop()
	return c.Conn.Close()
}

// hostPort is a net.Addr that may hold a name.
type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (a hostPort) String() string { return string(a) }

func (s *raftStreams) Accept() (net.Conn, error) { return s.raft.Accept() }
func (s *raftStreams) Close() error              { return s.raft.Close() }
func (s *raftStreams) Addr() net.Addr            { return s.advertise }

// Dial opens a stream to id@host:port, as ServerAddr writes addresses.
func (s *raftStreams) Dial(target raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, addr, ok := strings.Cut(string(target), "@")
	if !ok {
		return nil, fmt.Errorf("dial raft at %s: %w", target, ErrNotServer)
	}
	to, err := uuid.Parse(id)
	if err != nil {
		return nil, fmt.Errorf("dial raft at %s: %w", target, err)
	}
	ctx, cancel := context.WithTimeout(s.calls, timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	stream, err := s.network.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn := &call{Conn: stream, stop: context.AfterFunc(s.calls, func() { _ = stream.Close() })}
	if err := writePreface(conn, s.raftPreface(to), deadline); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// raftTransport is raft's network transport, watched: what followers answer is
// the only way to learn how far they are.
type raftTransport struct {
	*raft.NetworkTransport
	progress *progress
}

func newRaftTransport(streams *raftStreams, addresses raft.ServerAddressProvider, progress *progress, log hclog.Logger) *raftTransport {
	return &raftTransport{
		NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream:                  streams,
			ServerAddressProvider:   addresses,
			MaxPool:                 raftPool,
			Timeout:                 raftTimeout,
			MaxRPCsInFlight:         1, // no pipelines: every answer passes AppendEntries
			MsgpackUseNewTimeFormat: true,
			Logger:                  log,
		}),
		progress: progress,
	}
}

// AppendEntries implements raft.Transport.
func (t *raftTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if err := t.NetworkTransport.AppendEntries(id, target, args, resp); err != nil {
		return err
	}
	if resp.Success {
		match := args.PrevLogEntry // 0 in a heartbeat
		if n := len(args.Entries); n > 0 {
			match = args.Entries[n-1].Index
		}
		t.progress.note(string(id), args.Term, match)
	}
	return nil
}

// addresses tells raft where a server is: where gossip sees it alive, which
// follows a node to a new address before the configuration does, or else
// where the configuration has it. The preface keeps a wrong guess harmless.
type addresses struct {
	self      raft.ServerID
	advertise raft.ServerAddress
	gossiped  func(id string) (addr string, ok bool)
	agreed    func(id string) (addr string, ok bool)
}

// ServerAddr implements raft.ServerAddressProvider.
func (a *addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if id == a.self {
		return a.advertise, nil // raft writes it into its messages
	}
	addr, ok := a.gossiped(string(id))
	if !ok {
		addr, ok = a.agreed(string(id))
	}
	if !ok {
		return "", fmt.Errorf("find address of %s: %w", id, ErrNotServer)
	}
	return raft.ServerAddress(string(id) + "@" + addr), nil
}
