package world

import (
	"context"
	"net"
	"os"
	"syscall"

	"gitmirror/internal/world/fabric"
)

// line is a machine's network as one process on it has it: it is cut for good when that
// process is killed.
type line struct {
	*fabric.Host
	cut chan struct{}
}

func (l *line) down() error {
	select {
	case <-l.cut:
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ENETDOWN)}
	default:
		return nil
	}
}

func (l *line) Listen(address string) (net.Listener, error) {
	if err := l.down(); err != nil {
		return nil, err
	}
	return l.Host.Listen(address)
}

func (l *line) ListenPacket(address string) (net.PacketConn, error) {
	if err := l.down(); err != nil {
		return nil, err
	}
	return l.Host.ListenPacket(address)
}

func (l *line) ListenSocket(path string) (net.Listener, error) {
	if err := l.down(); err != nil {
		return nil, err
	}
	return l.Host.ListenSocket(path)
}

func (l *line) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := l.down(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-l.cut:
			cancel()
		case <-stop:
		}
	}()
	c, err := l.Host.DialContext(ctx, network, address)
	if err == nil && l.down() != nil {
		_ = c.Close()
		return nil, l.down()
	}
	return c, err
}
