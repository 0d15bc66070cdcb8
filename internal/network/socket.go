package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"gitmirror/internal/disk"
)

// maxSocketPath is how many bytes of a path the kernel takes for a socket.
const maxSocketPath = 107

func (host) ListenSocket(path string) (net.Listener, error) {
	at, done, err := shorten(path)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "unix", Err: err}
	}
	// Linux makes the file with the mode that the socket has, less the umask.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }), err)
	}}
	l, err := private.Listen(context.Background(), "unix", at)
	if err != nil {
		done()
		return nil, fmt.Errorf("at %s: %w", path, err)
	}
	return &socket{Listener: l, done: sync.OnceFunc(done)}, nil
}

// socket is a listener that closing removes from the file system, once.
type socket struct {
	net.Listener
	done func() // lets go of the directory by which its path is short enough
}

func (s *socket) Close() error {
	defer s.done()
	return s.Listener.Close()
}

// shorten is a path to the same socket that the kernel takes: one that is too long leads
// through its directory, which is open until done is called.
func shorten(path string) (short string, done func(), err error) {
	if !filepath.IsAbs(path) { // what begins with @ would be no file
		return "", nil, fmt.Errorf("the path of the socket %q is not absolute", path)
	}
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	var here *disk.Disk
	dir, err := here.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Host().Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}

// Loopback tells whether host:port leads to the machine that asks, whichever that is. Of
// names only localhost counts: others are another machine's business.
func Loopback(hostport string) bool {
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return false
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}
