package cluster

import (
	"io"
	"net"
	"sync"
	"time"

	"gitmirror/internal/descriptors"
)

// owned is a connection that its port closes, unless it was closed before.
type owned struct {
	net.Conn
	port *Port
	pace descriptors.Pace
}

func (c *owned) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.pace.Moved(n)
	return n, err
}

func (c *owned) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.pace.Moved(n)
	return n, err
}

func (c *owned) Close() error {
	c.port.disown(c)
	return c.Conn.Close()
}

// replayed is a connection with the bytes that were read from it to learn
// what it is.
type replayed struct {
	net.Conn
	unread []byte
}

func (c *replayed) Read(b []byte) (int, error) {
	if len(c.unread) > 0 {
		n := copy(b, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// ReadFrom keeps sendfile and splice within reach of the HTTP server.
func (c *replayed) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite lets the HTTP server end a response before it drops the rest of
// a request.
func (c *replayed) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// queue is a listener fed by hand.
type queue struct {
	addr   net.Addr
	ch     chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, ch: make(chan net.Conn), closed: make(chan struct{})}
}

// put hands a connection to an acceptor, or gives up.
func (q *queue) put(conn net.Conn, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case q.ch <- conn:
		return true
	case <-q.closed:
		return false
	case <-timer.C:
		return false
	}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.ch:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Addr() net.Addr { return q.addr }

func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}
