package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"gitmirror/internal/network"
)

const connectTimeout = 10 * time.Second

// Dialer dials upstreams under a policy.
type Dialer struct {
	policy *Policy
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// NewDialer returns a Dialer of a network.
func NewDialer(policy *Policy, on network.Network) *Dialer {
	return &Dialer{
		policy: policy,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return on.LookupNetIP(ctx, "ip", host)
		},
		dial: on.DialContext,
	}
}

// DialContext has the form net/http wants. All addresses of a name must pass
// the policy, not only the one dialled: a name that resolves to a public and a
// private address is somebody's trick.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var firstErr error
	for i, a := range addrs {
		conn, err := d.dialOne(ctx, len(addrs)-i, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		if firstErr == nil {
			firstErr = err
		}
	}
	return nil, firstErr
}

// dialOne dials a literal address within its share of the time: one that does
// not answer must not use up what the others need.
func (d *Dialer) dialOne(ctx context.Context, left int, address string) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return d.dial(ctx, "tcp", address)
}

func (d *Dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, d.policy.Check(a)
	}
	addrs, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	for i, a := range addrs {
		if err := d.policy.Check(a); err != nil {
			return nil, fmt.Errorf("%s: %w", host, err)
		}
		addrs[i] = a.Unmap()
	}
	return addrs, nil
}
