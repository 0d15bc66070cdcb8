package cluster

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gitmirror/internal/descriptors"
	"gitmirror/internal/network"
)

const (
	firstByteTimeout = 5 * time.Second
	bindAttempts     = 16 // for port 0: until one is free for TCP and UDP alike
)

// Port is the peer port: TCP for raft, gossip streams and HTTP between nodes,
// told apart by their first bytes, and UDP for gossip. It serves HTTP from the
// start, and raft and gossip once a Cluster has been opened on it.
type Port struct {
	network network.Network
	tcp     net.Listener
	udp     net.PacketConn
	web     *queue

	patience time.Duration
	tenant   atomic.Pointer[tenant]
	opened   chan struct{} // closed when the first cluster is opened on the port
	open     sync.Once

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // to be closed with the port; nil once it is
	lanes  map[*owned]struct{}   // those of conns that were handed to raft or gossip
	places int                   // of them

	waiting      []net.Conn // have not said what they want, the oldest first
	unidentified int        // how many may
	closed       chan struct{}
	wg           sync.WaitGroup
}

// tenant is the cluster opened on a port.
type tenant struct {
	identity
	raft   *queue
	gossip *queue
	log    *slog.Logger
	quota  *quota
}

// Listen binds TCP and UDP on the same port of host:port, of a network that the
// cluster opened on the port uses too, and starts to sort
// connections. Port 0 chooses one that is free for both.
func Listen(on network.Network, bind string) (*Port, error) {
	return listen(on, bind, firstByteTimeout, descriptors.Ours().Unidentified)
}

func listen(on network.Network, bind string, patience time.Duration, unidentified int) (*Port, error) {
	tcp, udp, err := bindPair(on, bind)
	if err != nil {
		return nil, err
	}
	p := &Port{
		network: on, tcp: tcp, udp: udp,
		web:      newQueue(tcp.Addr()),
		patience: patience,
		conns:    make(map[net.Conn]struct{}),
		lanes:    make(map[*owned]struct{}),
		places:   descriptors.Ours().Streams,

		unidentified: unidentified,
		closed:       make(chan struct{}),
		opened:       make(chan struct{}),
	}
	p.wg.Go(p.accept)
	return p, nil
}

func bindPair(on network.Network, bind string) (net.Listener, net.PacketConn, error) {
	_, port, err := net.SplitHostPort(bind)
	if err != nil {
		return nil, nil, fmt.Errorf("bind peer port %q: %w", bind, err)
	}
	attempts := 1
	if n, err := strconv.Atoi(port); err == nil && n == 0 {
		attempts = bindAttempts
	}
	for {
		attempts--
		tcp, udp, err := bindOnce(on, bind)
		if err == nil || attempts <= 0 || !errors.Is(err, ErrPortBusy) {
			return tcp, udp, err
		}
	}
}

func bindOnce(on network.Network, bind string) (net.Listener, net.PacketConn, error) {
	tcp, err := on.Listen(bind)
	if err != nil {
		return nil, nil, bindError("tcp", bind, err)
	}
	at := tcp.Addr().String() // with the port that was chosen
	udp, err := on.ListenPacket(at)
	if err != nil {
		_ = tcp.Close()
		return nil, nil, bindError("udp", at, err)
	}
	return tcp, udp, nil
}

func bindError(network, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return &PortBusyError{Network: network, Addr: addr, Err: err}
	}
	return fmt.Errorf("bind %s %s: %w", network, addr, err)
}

// Addr is the bound address, with the port that was chosen.
func (p *Port) Addr() string { return p.tcp.Addr().String() }

// HTTP accepts the connections that begin with a letter from A to Z. Closing
// it leaves the port open.
func (p *Port) HTTP() net.Listener { return p.web }

// Close stops listening, closes every connection except those accepted from
// HTTP, and waits for its goroutines. It is idempotent.
func (p *Port) Close() error {
	p.mu.Lock()
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	if conns == nil {
		return nil
	}
	close(p.closed)
	err := errors.Join(p.tcp.Close(), p.udp.Close(), p.web.Close())
	p.detach()
	for conn := range conns {
		_ = conn.Close()
	}
	p.wg.Wait()
	if err != nil {
		return fmt.Errorf("close peer port: %w", err)
	}
	return nil
}

// attach lets raft and gossip streams in.
func (p *Port) attach(id identity, log *slog.Logger) (*tenant, error) {
	t := &tenant{
		identity: id,
		raft:     newQueue(p.tcp.Addr()),
		gossip:   newQueue(p.tcp.Addr()),
		log:      log,
		quota:    newQuota(repeatInterval),
	}
	if !p.tenant.CompareAndSwap(nil, t) {
		return nil, fmt.Errorf("open cluster on %s: the port already serves one", p.Addr())
	}
	p.open.Do(func() { close(p.opened) })
	return t, nil
}

// detach closes the door to raft and gossip, and the streams waiting behind it.
func (p *Port) detach() {
	if t := p.tenant.Swap(nil); t != nil {
		_ = t.raft.Close()
		_ = t.gossip.Close()
	}
}

func (p *Port) accept() {
	const maxPause = time.Second
	var pause time.Duration
	for {
		conn, err := p.tcp.Accept()
		if err != nil {
			// Out of file descriptors, or a connection reset in the backlog:
			// listening goes on.
			pause = min(max(2*pause, 5*time.Millisecond), maxPause)
			select {
			case <-p.closed:
				return
			case <-time.After(pause):
				continue
			}
		}
		pause = 0
		if silent := p.waits(conn); silent != nil {
			p.warn(silent, errors.New("too many have not said what they want"))
			_ = silent.Close()
		}
		p.wg.Go(func() {
			defer p.settled(conn)
			p.sort(conn)
		})
	}
}

// waits notes a connection that has not said what it wants. When there are too
// many it returns the one that has waited for longest: members say it at once,
// and must not be kept out by those who say nothing.
func (p *Port) waits(conn net.Conn) (silent net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, conn)
	if len(p.waiting) <= p.unidentified {
		return nil
	}
	silent, p.waiting = p.waiting[0], p.waiting[1:]
	return silent
}

// settled forgets a connection that has been sorted, one way or the other.
func (p *Port) settled(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, conn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
}

// sort hands a connection to whom its first bytes are for, or closes it.
func (p *Port) sort(raw net.Conn) {
	conn := &owned{Conn: raw, port: p}
	conn.pace.Begin()
	if !p.own(conn) {
		_ = raw.Close()
		return
	}
	if err := p.route(conn); err != nil {
		// Clients of HTTP open connections that they then find no use for.
		if !errors.Is(err, io.EOF) && !errors.Is(err, errSilent) {
			p.warn(conn, err)
		}
		_ = conn.Close()
	}
}

func (p *Port) route(conn *owned) error {
	deadline := time.Now().Add(p.patience)
	if err := conn.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("read first byte: %w", err)
	}
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errSilent
		}
		return fmt.Errorf("read first byte: %w", err)
	}
	if first[0] >= 'A' && first[0] <= 'Z' {
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			return fmt.Errorf("hand on connection: %w", err)
		}
		// The HTTP server owns it from here on; nobody accepting closes it.
		if !p.web.put(&replayed{Conn: conn.Conn, unread: first[:]}, time.Until(deadline)) {
			return errors.New("nobody serves HTTP here")
		}
		p.disown(conn)
		return nil
	}

	t := p.occupant(deadline)
	if t == nil {
		return io.EOF // not part of a cluster: nothing to tell
	}
	if err := t.readPreface(conn, first[0]); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("hand on connection: %w", err)
	}
	to := t.raft
	if first[0] == tagGossip {
		to = t.gossip
	}
	if !p.place(conn) {
		return errCrowded
	}
	if !to.put(conn, time.Until(deadline)) {
		return io.EOF // shutting down
	}
	return nil
}

// occupant is the cluster on the port, or nil. Members call a node as soon as it is let in,
// which is a moment before it has opened its part: they wait for that, and need not fail.
func (p *Port) occupant(deadline time.Time) *tenant {
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	select {
	case <-p.opened:
	case <-p.closed:
	case <-late.C:
	}
	return p.tenant.Load()
}

// errSilent is the end of a connection that has not said what it wants.
var errSilent = errors.New("nothing came")

var errCrowded = errors.New("too many streams are open, and none of them is silent")

// place finds room for a stream, at the cost of the one that has been silent for
// longest: who only knows the cluster's id must not take what the log needs.
func (p *Port) place(conn *owned) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lanes) >= p.places {
		var victim *owned
		var longest time.Duration
		for c := range p.lanes {
			if d := c.pace.Silent(); d > longest {
				victim, longest = c, d
			}
		}
		if victim == nil {
			return false
		}
		delete(p.lanes, victim)
		delete(p.conns, victim)
		_ = victim.Conn.Close()
	}
	p.lanes[conn] = struct{}{}
	return true
}

// warn logs a refusal, at most once in a while for each sender and reason.
func (p *Port) warn(conn net.Conn, err error) {
	t := p.tenant.Load()
	if t == nil {
		return
	}
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	repeated, ok := t.quota.take(host + " " + kindOf(err))
	if !ok {
		return
	}
	log := t.log
	if repeated > 0 {
		log = log.With("repeated", repeated)
	}
	log.Warn("refused connection", "remote", host, "err", err)
}

// kindOf is what errors have in common that differ in the ids and ports they
// name: a stranger must not fill the log by changing those.
func kindOf(err error) string {
	for _, kind := range []error{errForeignCluster, errForeignNode, errUnknownTag, errCrowded} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return withoutDigits(err.Error())
}

// own remembers a connection to be closed with the port, unless that is.
func (p *Port) own(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		return false
	}
	p.conns[conn] = struct{}{}
	return true
}

func (p *Port) disown(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	if c, ok := conn.(*owned); ok {
		delete(p.lanes, c)
	}
}
