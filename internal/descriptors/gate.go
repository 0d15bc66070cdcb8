package descriptors

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Gate is a listener that bounds its connections. When it is full, a newcomer
// takes the place of the connection that has been idle for longest: between
// requests, or before its first one is whole. Where none is idle it takes that of
// the request that has been silent for longest (see Pace), and if none is, the
// newcomer is closed.
//
// Its State must be the ConnState of the server, or every connection counts as
// one that has not sent its first request.
type Gate struct {
	net.Listener
	places int

	mu    sync.Mutex
	conns map[net.Conn]*conn
}

// NewGate lets places connections through.
func NewGate(l net.Listener, places int) *Gate {
	return &Gate{Listener: l, places: places, conns: map[net.Conn]*conn{}}
}

// conn is a connection with a place.
type conn struct {
	net.Conn
	gate  *Gate
	pace  Pace
	idle  bool      // no request is being served; guarded by Gate.mu
	since time.Time // of idle
}

// Accept implements net.Listener.
func (g *Gate) Accept() (net.Conn, error) {
	for {
		inner, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: inner, gate: g, idle: true, since: time.Now()}
		c.pace.Begin()
		victim, ok := g.admit(c)
		if victim != nil {
			_ = victim.Close()
		}
		if ok {
			return c, nil
		}
		_ = inner.Close()
	}
}

// admit gives c a place, and returns who has to go for it.
func (g *Gate) admit(c *conn) (victim *conn, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.conns) >= g.places {
		if victim = g.dispensable(); victim == nil {
			return nil, false
		}
		delete(g.conns, victim)
	}
	g.conns[c] = c
	return victim, true
}

func (g *Gate) dispensable() *conn {
	var idle, mute *conn
	var longest time.Duration
	for _, c := range g.conns {
		if c.idle {
			if idle == nil || c.since.Before(idle.since) {
				idle = c
			}
		} else if d := c.pace.Silent(); d > longest {
			mute, longest = c, d
		}
	}
	if idle != nil {
		return idle
	}
	return mute
}

// State is for http.Server.ConnState.
func (g *Gate) State(nc net.Conn, state http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.conns[nc]
	if c == nil {
		return
	}
	switch state {
	case http.StateActive:
		c.idle = false
	case http.StateIdle:
		c.idle, c.since = true, time.Now()
	}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.pace.Moved(n)
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.pace.Moved(n)
	return n, err
}

// Close gives the place back.
func (c *conn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets the HTTP server end a response before it drops the rest of a
// request.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
