package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"gitmirror/internal/network"

	"github.com/hashicorp/memberlist"
)

// packets is memberlist's transport: packets on the port's UDP socket, streams
// through its TCP listener. memberlist puts the cluster's id around both as a
// label and drops what lacks it.
type packets struct {
	*tenant
	udp     net.PacketConn
	ip      net.IP // advertised
	port    int
	network network.Network
	log     *slog.Logger
	inbound chan *memberlist.Packet

	ctx    context.Context // ends with Shutdown, and all dialling with it
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

var _ memberlist.NodeAwareTransport = (*packets)(nil)

func (p *packets) start() {
	p.inbound = make(chan *memberlist.Packet)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(p.receive)
}

func (p *packets) receive() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := p.udp.ReadFrom(buf)
		at := time.Now()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || p.ctx.Err() != nil {
				return
			}
			p.log.Debug("read gossip packet", "err", err)
			select {
			case <-p.ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
				continue
			}
		}
		if n == 0 {
			continue
		}
		packet := &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: from, Timestamp: at}
		select {
		case p.inbound <- packet:
		case <-p.ctx.Done():
			return
		}
	}
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (p *packets) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return p.ip, p.port, nil }

// PacketCh implements memberlist.Transport.
func (p *packets) PacketCh() <-chan *memberlist.Packet { return p.inbound }

// StreamCh implements memberlist.Transport.
func (p *packets) StreamCh() <-chan net.Conn { return p.gossip.ch }

// WriteTo implements memberlist.Transport.
func (p *packets) WriteTo(b []byte, addr string) (time.Time, error) {
	return p.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress implements memberlist.NodeAwareTransport.
func (p *packets) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	addr, err := netip.ParseAddrPort(to.Addr) // memberlist has looked names up
	if err != nil {
		return time.Time{}, fmt.Errorf("send gossip packet: %w", err)
	}
	_, err = p.udp.WriteTo(b, net.UDPAddrFromAddrPort(addr))
	return time.Now(), err // bare: memberlist looks at its type
}

// DialTimeout implements memberlist.Transport.
func (p *packets) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return p.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (p *packets) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	deadline := time.Now().Add(timeout)
	ctx, cancel := context.WithDeadline(p.ctx, deadline)
	defer cancel()
	conn, err := p.network.DialContext(ctx, "tcp", to.Addr)
	if err != nil {
		return nil, err // bare: memberlist looks at its type
	}
	if err := writePreface(conn, p.gossipPreface(), deadline); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Shutdown implements memberlist.Transport: no packet and no dialled stream
// comes after it.
func (p *packets) Shutdown() error {
	p.cancel()
	err := p.udp.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	p.wg.Wait()
	return err
}
