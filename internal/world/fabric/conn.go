package fabric

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes may be on their way: who sends more waits.
const window = 256 << 10

// pipe is one direction of a connection.
type pipe struct {
	of   *Fabric
	over *link

	mu       sync.Mutex
	pieces   []piece // that have been sent and not been read
	bytes    int
	last     time.Time     // when the last of them arrives: they do not overtake
	ended    bool          // no more is sent
	fin      time.Time     // when that arrives
	held     bool          // nothing arrives of this connection, whatever the link lets through
	err      error         // the connection broke
	shut     bool          // nobody reads any more
	changed  chan struct{} // closed when any of this is another
	readEnd  time.Time     // deadlines, zero for none
	writeEnd time.Time
}

// piece is what one write sent.
type piece struct {
	due  time.Time
	data []byte
}

func newPipe(of *Fabric, over *link) *pipe {
	p := &pipe{of: of, over: over, changed: make(chan struct{})}
	over.add(p)
	return p
}

// change has whoever waits look again. The lock is held.
func (p *pipe) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pipe) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		p.pieces = nil
		p.change()
	}
}

// hop is what lies between a stream's last bytes and its end, which is a packet of its own.
const hop = 100 * time.Microsecond

// end says that nothing more is sent: what has been sent is read before.
func (p *pipe) end() {
	w := p.over.now()
	p.mu.Lock()
	if !p.ended {
		p.ended, p.fin = true, time.Now().Add(w.Delay+hop)
		if p.fin.Before(p.last) {
			p.fin = p.last.Add(hop)
		}
	}
	p.change()
	p.mu.Unlock()
	p.over.remove(p)
}

// hold has nothing arrive of this connection, or again what has waited.
func (p *pipe) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
	if !held && p.ended {
		p.fin = time.Now().Add(hop)
	}
	p.change()
}

// close says that nobody reads any more: who sends is told.
func (p *pipe) close() {
	p.mu.Lock()
	p.shut, p.pieces, p.bytes = true, nil, 0
	p.change()
	p.mu.Unlock()
}

// await waits until changed or weather is closed, d has passed, or a deadline. The lock is
// held, and given up meanwhile.
func (p *pipe) await(weather <-chan struct{}, d time.Duration, end *time.Time) {
	changed := p.changed
	if !end.IsZero() {
		if left := time.Until(*end); d < 0 || left < d {
			d = max(left, 0)
		}
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	var late <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-changed:
	case <-weather:
	case <-late:
	}
}

func passed(end time.Time) bool { return !end.IsZero() && !time.Now().Before(end) }

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		w, weather := p.over.look()
		wait := time.Duration(-1)
		switch {
		case p.shut:
			return 0, net.ErrClosed
		case passed(p.readEnd):
			return 0, os.ErrDeadlineExceeded
		case p.err != nil:
			return 0, p.err
		case len(b) == 0:
			return 0, nil
		case w.Cut || p.held:
		case len(p.pieces) > 0:
			first := &p.pieces[0]
			if wait = time.Until(first.due); wait > 0 {
				break
			}
			n := copy(b, first.data)
			if first.data = first.data[n:]; len(first.data) == 0 {
				p.pieces = p.pieces[1:]
			}
			p.bytes -= n
			p.change()
			return n, nil
		case p.ended:
			if wait = time.Until(p.fin); wait <= 0 {
				return 0, io.EOF
			}
		}
		p.await(weather, wait, &p.readEnd)
	}
}

func (p *pipe) write(b []byte) (sent int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.ended:
			return sent, net.ErrClosed
		case passed(p.writeEnd):
			return sent, os.ErrDeadlineExceeded
		case p.err != nil:
			return sent, p.err
		case p.shut:
			return sent, os.NewSyscallError("write", syscall.EPIPE)
		case len(b) == 0:
			return sent, nil
		case p.bytes < window:
			n := min(len(b), window-p.bytes)
			w := p.over.now()
			_, more := p.of.chance(0, w.Jitter)
			due := time.Now().Add(w.Delay + more)
			if due.Before(p.last) {
				due = p.last
			}
			p.last = due
			p.pieces = append(p.pieces, piece{due, append([]byte(nil), b[:n]...)})
			p.bytes += n
			sent, b = sent+n, b[n:]
			p.change()
			continue
		}
		p.await(nil, -1, &p.writeEnd)
	}
}

func (p *pipe) deadline(field *time.Time, t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*field = t
	p.change()
}

// conn is one end of a connection.
type conn struct {
	local, remote netip.AddrPort
	in, out       *pipe
	once          sync.Once
}

func connect(f *Fabric, from, to netip.AddrPort, there, back *link) (ours, theirs *conn) {
	a, b := newPipe(f, there), newPipe(f, back)
	return &conn{local: from, remote: to, in: b, out: a}, &conn{local: to, remote: from, in: a, out: b}
}

func (c *conn) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.fail("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.fail("write", err)
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.out.end()
		c.in.close()
	})
	return nil
}

// abort breaks the connection at both ends.
func (c *conn) abort() {
	c.in.fail(syscall.ECONNRESET)
	c.out.fail(syscall.ECONNRESET)
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.deadline(&c.in.readEnd, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.deadline(&c.out.writeEnd, t)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
