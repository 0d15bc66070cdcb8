package fabric

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// packetPort is a port that takes packets.
type packetPort struct {
	host *Host
	at   netip.AddrPort

	once   sync.Once
	closed chan struct{}
	queue  chan packet // what does not fit is lost

	mu      sync.Mutex
	readEnd time.Time
	changed chan struct{}
}

type packet struct {
	from netip.AddrPort
	data []byte
}

func newPackets(h *Host, at netip.AddrPort) *packetPort {
	return &packetPort{host: h, at: at, closed: make(chan struct{}), queue: make(chan packet, 1024), changed: make(chan struct{})}
}

func (p *packetPort) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		p.mu.Lock()
		end, changed := p.readEnd, p.changed
		p.mu.Unlock()
		if passed(end) {
			return 0, nil, &net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded}
		}
		var late <-chan time.Time
		if !end.IsZero() {
			t := time.NewTimer(time.Until(end))
			defer t.Stop()
			late = t.C
		}
		select {
		case <-p.closed:
			return 0, nil, &net.OpError{Op: "read", Net: "udp", Err: net.ErrClosed}
		case got := <-p.queue:
			return copy(b, got.data), net.UDPAddrFromAddrPort(got.from), nil
		case <-changed:
		case <-late:
		}
	}
}

func (p *packetPort) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-p.closed:
		return 0, &net.OpError{Op: "write", Net: "udp", Err: net.ErrClosed}
	default:
	}
	at, err := netip.ParseAddrPort(to.String())
	if err != nil {
		return 0, err
	}
	f := p.host.of
	w := f.link(p.host.addr, at.Addr()).now()
	lost, more := f.chance(w.Loss, w.Jitter)
	if w.Cut || lost {
		return len(b), nil
	}
	got := packet{p.at, append([]byte(nil), b...)}
	arrive := func() {
		if f.link(p.host.addr, at.Addr()).now().Cut {
			return
		}
		f.mu.Lock()
		h := f.hosts[at.Addr()]
		f.mu.Unlock()
		if h == nil {
			return
		}
		h.mu.Lock()
		there := h.packets[at.Port()]
		h.mu.Unlock()
		if there == nil {
			return
		}
		select {
		case there.queue <- got:
		default:
		}
	}
	if d := w.Delay + more; d > 0 {
		time.AfterFunc(d, arrive)
	} else {
		arrive()
	}
	return len(b), nil
}

func (p *packetPort) Close() error {
	p.host.mu.Lock()
	if p.host.packets[p.at.Port()] == p {
		delete(p.host.packets, p.at.Port())
	}
	p.host.mu.Unlock()
	p.shut()
	return nil
}

func (p *packetPort) shut() { p.once.Do(func() { close(p.closed) }) }

func (p *packetPort) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.at) }

func (p *packetPort) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readEnd = t
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

func (p *packetPort) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }
func (p *packetPort) SetWriteDeadline(time.Time) error { return nil }
