package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"gitmirror/internal/network"
)

// Proxy is a SOCKS5 server (RFC 1928, RFC 1929) on a loopback port for our own
// children. Whoever has no grant gets nothing.
type Proxy struct {
	dialer   *Dialer
	listener net.Listener

	mu     sync.Mutex
	grants map[string]*Grant // by user name
	last   uint64
}

const (
	socksVersion   = 5
	methodPassword = 2
	methodNone     = 0xff
	cmdConnect     = 1
	addrIPv4       = 1
	addrDomain     = 3
	addrIPv6       = 4

	replyOK      = 0
	replyDenied  = 2
	replyFailed  = 1
	replyCommand = 7

	handshakeTimeout = 10 * time.Second
	acceptPause      = 100 * time.Millisecond
)

// NewProxy listens on a free loopback port. Serve must be called.
func NewProxy(dialer *Dialer) (*Proxy, error) {
	l, err := network.Host.Listen("127.0.0.1:0") // git runs here
	if err != nil {
		return nil, fmt.Errorf("listen for git's proxy: %w", err)
	}
	return &Proxy{dialer: dialer, listener: l, grants: map[string]*Grant{}}, nil
}

// Serve answers until ctx ends, then closes every connection and returns nil.
func (p *Proxy) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.listener.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if !passing(err) {
				return fmt.Errorf("git's proxy: %w", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		conns.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			_ = p.handle(ctx, conn) // git reports a broken connection itself
		})
	}
}

// passing tells errors of Accept that end by themselves: a client that went
// away, and a lack of file descriptors.
func passing(err error) bool {
	return errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

func (p *Proxy) handle(ctx context.Context, conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	grant, target, err := p.handshake(conn)
	if err != nil {
		return err
	}
	if !grant.leads(target) {
		return reply(conn, replyDenied)
	}
	up, err := p.dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		code := byte(replyFailed)
		if errors.Is(err, ErrDenied) {
			code = replyDenied
		}
		return reply(conn, code)
	}
	defer up.Close()
	if err := reply(conn, replyOK); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { up.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(up, conn)
		up.Close() // git never closes one direction alone: it is done, or was killed
	})
	both.Go(func() {
		_, err := io.Copy(conn, &counted{up, grant})
		closeWrite(conn)
		if errors.Is(err, errExceeded) {
			conn.Close()
		}
	})
	both.Wait()
	return nil
}

// counted counts what is read for a grant.
type counted struct {
	io.Reader
	grant *Grant
}

var errExceeded = errors.New("more has come than may")

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if c.grant.slow.Load() && n > 0 {
		time.Sleep(time.Duration(n) * time.Second / slowPace)
	}
	if c.grant.received.Add(int64(n)); c.grant.Exceeded() {
		return 0, errExceeded
	}
	return n, err
}

func closeWrite(conn net.Conn) {
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.CloseWrite()
	}
}

func (p *Proxy) handshake(conn net.Conn) (grant *Grant, target string, err error) {
	methods, err := readList(conn, socksVersion)
	if err != nil {
		return nil, "", err
	}
	if !contains(methods, methodPassword) {
		_, err := conn.Write([]byte{socksVersion, methodNone})
		return nil, "", errors.Join(errors.New("no password offered"), err)
	}
	if _, err := conn.Write([]byte{socksVersion, methodPassword}); err != nil {
		return nil, "", err
	}
	user, err := readList(conn, 1)
	if err != nil {
		return nil, "", err
	}
	var n [1]byte
	if _, err := io.ReadFull(conn, n[:]); err != nil {
		return nil, "", err
	}
	pass := make([]byte, n[0])
	if _, err := io.ReadFull(conn, pass); err != nil {
		return nil, "", err
	}
	if grant = p.grantOf(user, pass); grant == nil {
		_, err := conn.Write([]byte{1, 1})
		return nil, "", errors.Join(errors.New("wrong password"), err)
	}
	if _, err := conn.Write([]byte{1, 0}); err != nil {
		return nil, "", err
	}
	target, err = readRequest(conn)
	return grant, target, err
}

// readList reads a version byte and a list with its length before it.
func readList(r io.Reader, version byte) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if head[0] != version {
		return nil, fmt.Errorf("version %d", head[0])
	}
	list := make([]byte, head[1])
	_, err := io.ReadFull(r, list)
	return list, err
}

func readRequest(conn net.Conn) (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return "", err
	}
	if head[0] != socksVersion || head[1] != cmdConnect {
		return "", errors.Join(errors.New("only CONNECT is served"), reply(conn, replyCommand))
	}
	var host string
	switch head[3] {
	case addrIPv4, addrIPv6:
		b := make([]byte, map[byte]int{addrIPv4: 4, addrIPv6: 16}[head[3]])
		if _, err := io.ReadFull(conn, b); err != nil {
			return "", err
		}
		a, _ := netip.AddrFromSlice(b)
		host = a.String()
	case addrDomain:
		var n [1]byte
		if _, err := io.ReadFull(conn, n[:]); err != nil {
			return "", err
		}
		b := make([]byte, n[0])
		if _, err := io.ReadFull(conn, b); err != nil {
			return "", err
		}
		host = string(b)
	default:
		return "", fmt.Errorf("address type %d", head[3])
	}
	var port [2]byte
	if _, err := io.ReadFull(conn, port[:]); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, fmt.Sprint(binary.BigEndian.Uint16(port[:]))), nil
}

func reply(w io.Writer, code byte) error {
	_, err := w.Write([]byte{socksVersion, code, 0, addrIPv4, 0, 0, 0, 0, 0, 0})
	return err
}

func contains(list []byte, b byte) bool {
	for _, x := range list {
		if x == b {
			return true
		}
	}
	return false
}
