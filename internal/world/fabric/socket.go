package fabric

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// ListenSocket takes connections of whoever is on this host. The path is a name here: no
// file is made.
func (h *Host) ListenSocket(path string) (net.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sockets[path] != nil {
		return nil, &net.OpError{Op: "listen", Net: "unix", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	l := &listener{host: h, at: netip.AddrPortFrom(h.addr, 0), path: path, backlog: make(chan *conn, 256), closed: make(chan struct{})}
	h.sockets[path] = l
	return l, nil
}

func (h *Host) dialSocket(ctx context.Context, path string) (net.Conn, error) {
	h.mu.Lock()
	l := h.sockets[path]
	h.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	if l == nil {
		return nil, refused
	}
	within := h.of.link(h.addr, h.addr)
	ours, theirs := connect(h.of, l.at, l.at, within, within)
	select {
	case l.backlog <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: ctx.Err()}
	}
}
