package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"gitmirror/api"
	"gitmirror/internal/descriptors"
	"gitmirror/internal/network"
	"gitmirror/server"
)

// door is where clients come in.
type door struct {
	*descriptors.Gate
	as server.Door
}

// doors are --http, and what is open to this host beside it.
type doors []door

func (l doors) close() {
	for _, d := range l {
		_ = d.Close()
	}
}

// state tells each gate what becomes of its connections.
func (l doors) state(c net.Conn, s http.ConnState) {
	for _, d := range l {
		d.State(c, s)
	}
}

// openDoors makes doors of --http, and, beside it, of what only this host reaches: sockets,
// and a loopback address with the same port. They are for whoever writes from here; where
// one cannot be had, the node goes on without it, and says so.
func (n *node) openDoors() {
	at := n.web.Addr().String()
	n.doors = doors{{n.web, n.doorAt(at)}}
	n.openSocket(n.cfg.Dir, n.listenSocket)
	if n.cfg.RunDir != "" {
		n.openSocket(n.cfg.RunDir, n.lockedSocket)
	}
	_, port, err := net.SplitHostPort(at)
	switch here := net.JoinHostPort("127.0.0.1", port); {
	case network.Loopback(at):
		n.info.Local = append(n.info.Local, "http://"+at)
	case err == nil && !wildcard(at): // or it is taken
		l, err := n.cfg.Network.Listen(here)
		if err != nil {
			n.log.Info("no loopback address beside --http: this host writes through the socket", "addr", here, "err", err)
			return
		}
		n.open(l, n.doorAt(here), "http://"+here)
	}
}

// open adds a door that only this host reaches, at an address for package api.
func (n *node) open(l net.Listener, as server.Door, addr string) {
	n.doors = append(n.doors, door{descriptors.NewGate(l, descriptors.Ours().Beside), as})
	n.info.Local = append(n.info.Local, addr)
}

// doorAt is what kind of door a TCP address is.
func (n *node) doorAt(addr string) server.Door {
	switch {
	case n.cfg.InsecureAPI:
		return server.Open
	case network.Loopback(addr):
		return server.Loopback
	}
	return server.Reachable
}

// openSocket adds the door in a directory where there is one, and this process may have one.
func (n *node) openSocket(dir string, listen func(path string) (net.Listener, error)) {
	l, err := listen(filepath.Join(dir, api.SocketName))
	switch {
	case err == nil:
		n.open(l, server.Socket, api.SocketAddr(dir))
	case errors.Is(err, errNotOurs):
		n.log.Debug("no socket", "dir", dir, "err", err)
	default:
		n.log.Warn("no socket: this host writes through another, or through a loopback address", "dir", dir, "err", err)
	}
}

// listenSocket takes the place of a socket that a killed process has left: whoever calls it
// has locked the directory.
func (n *node) listenSocket(path string) (net.Listener, error) {
	switch is, err := n.cfg.Disk.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case is.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is no socket: move it away", path)
	default:
		if err := n.cfg.Disk.Remove(path); err != nil {
			return nil, err
		}
	}
	return n.cfg.Network.ListenSocket(path)
}

// errNotOurs says that a directory is not there, or not for this process.
var errNotOurs = errors.New("the directory is not this process's")

// lockedSocket listens in a directory that several nodes may have: the first of them has
// the socket. It is one that whoever started us has made for our user.
func (n *node) lockedSocket(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	is, err := n.cfg.Disk.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	if of, ok := is.Sys().(*syscall.Stat_t); !ok || int(of.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%w: it is another user's", errNotOurs)
	}
	lock, err := n.cfg.Disk.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	free, err := lock.TryLock()
	if err == nil && !free {
		err = fmt.Errorf("%w: another node has the socket there", errNotOurs)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l, err := n.listenSocket(path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return locked{l, lock}, nil
}

// locked is a listener that gives a lock back when it is closed.
type locked struct {
	net.Listener
	lock io.Closer
}

func (l locked) Close() error { return errors.Join(l.Listener.Close(), l.lock.Close()) }

// through is where the context of a request has the kind of door that it came in by.
type through struct{}

// base is what the requests that come in by a listener begin with.
func (l doors) base(ctx context.Context, by net.Listener) context.Context {
	for _, d := range l {
		if net.Listener(d.Gate) == by {
			return context.WithValue(ctx, through{}, d.as)
		}
	}
	return ctx
}

// handler answers each request as its door allows.
func (l doors) handler(s *server.Server) http.Handler {
	kinds := map[server.Door]http.Handler{server.Reachable: s.Handler(server.Reachable)}
	for _, d := range l {
		kinds[d.as] = s.Handler(d.as)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		as, _ := r.Context().Value(through{}).(server.Door)
		kinds[as].ServeHTTP(w, r)
	})
}
