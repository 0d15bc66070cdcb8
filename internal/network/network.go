// Package network is the way to other machines, and to other processes of this one: whoever
// listens, dials or asks for the addresses of a name does it through a Network, and nothing
// else in gitmirror does (a test says so). It is one, so that a whole node can be put into
// another world.
package network

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// Network is where addresses are reached. What it returns behaves as package net's:
// deadlines, net.ErrClosed, addresses of type *net.TCPAddr and *net.UDPAddr.
type Network interface {
	// Listen takes TCP connections at host:port; port 0 chooses a free one.
	Listen(address string) (net.Listener, error)
	// ListenPacket takes UDP packets at host:port.
	ListenPacket(address string) (net.PacketConn, error)
	// ListenSocket takes connections at a socket in the file system, of this user and root
	// alone: its mode is 0600 from its first moment. path is absolute, of any length, and
	// must not be there; closing removes it.
	ListenSocket(path string) (net.Listener, error)
	// DialContext connects to host:port, where network is "tcp", "tcp4" or "tcp6", or to
	// the path of a socket, where it is "unix".
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	// LookupNetIP returns the addresses of a name; network is "ip", "ip4" or "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Host is this machine's network.
var Host Network = host{}

type host struct{}

func (host) Listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }

func (host) ListenPacket(address string) (net.PacketConn, error) {
	return net.ListenPacket("udp", address)
}

func (host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if network == "unix" {
		short, done, err := shorten(address)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
		defer done()
		address = short
	}
	return d.DialContext(ctx, network, address)
}

func (host) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, network, host)
}

// NotDialled tells whether a call failed before anything of it had left this machine.
func NotDialled(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op) && op.Op == "dial"
}

// Sending returns a context for one HTTP request, and tells whether anything of that was sent. net/http
// sends a request with an Idempotency-Key again by itself when its connection is cut: the error is
// then of the last attempt alone, which may be that it is NotDialled.
func Sending(ctx context.Context) (traced context.Context, sent func() bool) {
	var is atomic.Bool
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { is.Store(true) }}), is.Load
}

// Or is n, or this machine's network where n is nil.
func Or(n Network) Network {
	if n == nil {
		return Host
	}
	return n
}
