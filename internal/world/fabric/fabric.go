// Package fabric is a network in memory, whose links can be cut, frozen, slowed and made
// lossy, each direction for itself. Its hosts are network.Network.
//
// Inside a bubble of testing/synctest nothing of it keeps the bubble's time from going on:
// whoever waits, waits on channels and timers. It promises what TCP and UDP promise: a
// stream arrives whole and in order, or breaks off with an error at both ends; a packet
// arrives whole, late, or never. What is sent over a link that is cut waits there, as in a
// kernel that sends again until it is let through.
package fabric

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"gitmirror/internal/network"
)

// Fabric is one network.
type Fabric struct {
	mu    sync.Mutex
	rand  *rand.Rand
	hosts map[netip.Addr]*Host
	names map[string]netip.Addr
	links map[path]*link
}

// path is one direction between two hosts.
type path struct{ from, to netip.Addr }

// Weather is how a link carries what is sent.
type Weather struct {
	Cut    bool          // nothing arrives, until it is not cut any more
	Walled bool          // no connection is made in this direction; those made in the other carry both
	Delay  time.Duration // of everything
	Jitter time.Duration // up to so much more, for each packet and each piece of a stream
	Loss   float64       // share of the packets that are lost
}

// New returns a network without hosts. What is random in it follows from the seed.
func New(seed uint64) *Fabric {
	return &Fabric{rand: rand.New(rand.NewPCG(seed, 1)), hosts: map[netip.Addr]*Host{}, names: map[string]netip.Addr{}, links: map[path]*link{}}
}

// Host returns the host with that address, whose names lead to it.
func (f *Fabric) Host(ip string, names ...string) *Host {
	f.mu.Lock()
	defer f.mu.Unlock()
	addr := netip.MustParseAddr(ip)
	if f.hosts[addr] == nil {
		f.hosts[addr] = &Host{of: f, addr: addr, listeners: map[uint16]*listener{}, packets: map[uint16]*packetPort{}, sockets: map[string]*listener{}, port: 40_000}
	}
	for _, name := range names {
		f.names[name] = addr
	}
	return f.hosts[addr]
}

// Set changes the weather of one direction.
func (f *Fabric) Set(from, to *Host, w Weather) { f.link(from.addr, to.addr).set(w) }

// Weather is that of one direction.
func (f *Fabric) Weather(from, to *Host) Weather { return f.link(from.addr, to.addr).now() }

// Reset breaks all connections between two hosts.
func (f *Fabric) Reset(a, b *Host) {
	f.link(a.addr, b.addr).breakAll()
	f.link(b.addr, a.addr).breakAll()
}

// Hold has nothing arrive of the connections that are there between two hosts, while new ones
// are made and carry what they are given: so it is where packets of a connection were lost
// again and again, and its end waits longer each time before it sends once more. What has been
// sent over one arrives after Release, even when the sender has given up since.
func (f *Fabric) Hold(a, b *Host) {
	f.link(a.addr, b.addr).hold()
	f.link(b.addr, a.addr).hold()
}

// Release lets what has been held between two hosts arrive.
func (f *Fabric) Release(a, b *Host) {
	f.link(a.addr, b.addr).release()
	f.link(b.addr, a.addr).release()
}

// Held tells whether connections between two hosts are held.
func (f *Fabric) Held(a, b *Host) bool { return f.link(a.addr, b.addr).holds() }

func (f *Fabric) link(from, to netip.Addr) *link {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := path{from, to}
	if f.links[p] == nil {
		f.links[p] = &link{changed: make(chan struct{}), pipes: map[*pipe]bool{}}
	}
	return f.links[p]
}

// chance draws from the fabric's own luck.
func (f *Fabric) chance(share float64, jitter time.Duration) (lost bool, more time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if share > 0 {
		lost = f.rand.Float64() < share
	}
	if jitter > 0 {
		more = time.Duration(f.rand.Int64N(int64(jitter)))
	}
	return lost, more
}

// link is one direction between two hosts.
type link struct {
	mu      sync.Mutex
	weather Weather
	changed chan struct{}
	pipes   map[*pipe]bool // that are open
	held    []*pipe        // and those that are held, or were when they ended
}

func (l *link) set(w Weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = w
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) now() Weather {
	w, _ := l.look()
	return w
}

// look returns the weather, and what is closed when it is another.
func (l *link) look() (Weather, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.weather, l.changed
}

// pass waits until the link is not cut, and then for its delay.
func (l *link) pass(ctx context.Context, more time.Duration) error {
	for {
		w, changed := l.look()
		if !w.Cut {
			return pause(ctx, w.Delay+more)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *link) add(p *pipe) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pipes[p] = true
}

func (l *link) remove(p *pipe) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pipes, p)
}

func (l *link) hold() {
	l.mu.Lock()
	now := slices.Collect(maps.Keys(l.pipes))
	l.held = append(l.held, now...)
	l.mu.Unlock()
	for _, p := range now {
		p.hold(true)
	}
}

func (l *link) release() {
	l.mu.Lock()
	held := l.held
	l.held = nil
	l.mu.Unlock()
	for _, p := range held {
		p.hold(false)
	}
}

func (l *link) holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held) > 0
}

func (l *link) breakAll() {
	l.mu.Lock()
	broken := l.pipes
	l.pipes = map[*pipe]bool{}
	l.mu.Unlock()
	for p := range broken {
		p.fail(syscall.ECONNRESET)
	}
}

// Host is one machine on the network.
type Host struct {
	of   *Fabric
	addr netip.Addr

	mu        sync.Mutex
	port      uint16 // the last that was given out
	listeners map[uint16]*listener
	packets   map[uint16]*packetPort
	sockets   map[string]*listener // by path
}

var _ network.Network = (*Host)(nil)

// IP is the host's address.
func (h *Host) IP() string { return h.addr.String() }

// Crash breaks all connections of the host and closes all its ports, as the end of its
// processes does.
func (h *Host) Crash() {
	h.mu.Lock()
	listeners, packets, sockets := h.listeners, h.packets, h.sockets
	h.listeners, h.packets, h.sockets = map[uint16]*listener{}, map[uint16]*packetPort{}, map[string]*listener{}
	h.mu.Unlock()
	for _, l := range listeners {
		l.shut()
	}
	for _, l := range sockets {
		l.shut()
	}
	for _, p := range packets {
		p.shut()
	}
	h.of.mu.Lock()
	var links []*link
	for p, l := range h.of.links {
		if p.from == h.addr || p.to == h.addr {
			links = append(links, l)
		}
	}
	h.of.mu.Unlock()
	for _, l := range links {
		l.breakAll()
	}
}

// bound is where an address says to listen.
func (h *Host) bound(address string, taken func(uint16) bool) (netip.AddrPort, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || ip != h.addr && !ip.IsUnspecified()) {
		return netip.AddrPort{}, fmt.Errorf("listen on %s: %w", address, syscall.EADDRNOTAVAIL)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port := uint16(n)
	if port == 0 {
		for h.port++; taken(h.port); h.port++ {
		}
		port = h.port
	} else if taken(port) {
		return netip.AddrPort{}, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	return netip.AddrPortFrom(h.addr, port), nil
}

// Listen takes connections.
func (h *Host) Listen(address string) (net.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, err := h.bound(address, func(p uint16) bool { return h.listeners[p] != nil || h.packets[p] != nil })
	if err != nil {
		return nil, err
	}
	l := &listener{host: h, at: at, backlog: make(chan *conn, 256), closed: make(chan struct{})}
	h.listeners[at.Port()] = l
	return l, nil
}

// ListenPacket takes packets.
func (h *Host) ListenPacket(address string) (net.PacketConn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, err := h.bound(address, func(p uint16) bool { return h.packets[p] != nil })
	if err != nil {
		return nil, err
	}
	p := newPackets(h, at)
	h.packets[at.Port()] = p
	return p, nil
}

// LookupNetIP knows the names that hosts were given.
func (h *Host) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	if ip, known := h.of.names[host]; known {
		return []netip.Addr{ip}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// DialContext connects: a request goes there, its answer comes back.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "unix" {
		return h.dialSocket(ctx, address)
	}
	fail := func(err error) (net.Conn, error) {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return fail(err)
	}
	ips, err := h.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fail(err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fail(err)
	}
	to := netip.AddrPortFrom(ips[0], uint16(port))
	there, back := h.of.link(h.addr, to.Addr()), h.of.link(to.Addr(), h.addr)
	if err := there.pass(ctx, 0); err != nil {
		return fail(err)
	}
	if there.now().Walled {
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	h.of.mu.Lock()
	remote := h.of.hosts[to.Addr()]
	h.of.mu.Unlock()
	if remote == nil {
		return fail(os.NewSyscallError("connect", syscall.EHOSTUNREACH))
	}
	remote.mu.Lock()
	l := remote.listeners[to.Port()]
	remote.mu.Unlock()
	if l == nil {
		if err := back.pass(ctx, 0); err != nil {
			return fail(err)
		}
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	h.mu.Lock()
	h.port++
	from := netip.AddrPortFrom(h.addr, h.port)
	h.mu.Unlock()
	ours, theirs := connect(h.of, from, to, there, back)
	select {
	case l.backlog <- theirs:
	case <-l.closed:
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case <-ctx.Done():
		return fail(ctx.Err())
	}
	if err := back.pass(ctx, 0); err != nil {
		ours.abort()
		return fail(err)
	}
	return ours, nil
}

// listener is a port that takes connections. Like a kernel it takes them before anybody
// has asked for them.
type listener struct {
	host    *Host
	at      netip.AddrPort
	path    string // of a socket
	backlog chan *conn
	once    sync.Once
	closed  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
	default:
		select {
		case c := <-l.backlog:
			return c, nil
		case <-l.closed:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

func (l *listener) Close() error {
	l.host.mu.Lock()
	if l.host.listeners[l.at.Port()] == l {
		delete(l.host.listeners, l.at.Port())
	}
	if l.host.sockets[l.path] == l {
		delete(l.host.sockets, l.path)
	}
	l.host.mu.Unlock()
	l.shut()
	return nil
}

func (l *listener) shut() {
	l.once.Do(func() { close(l.closed) })
	for {
		select {
		case c := <-l.backlog:
			c.abort()
		default:
			return
		}
	}
}
