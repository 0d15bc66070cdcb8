package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const connectTimeout = 10 * time.Second

// Dialer dials upstreams under a policy.
type Dialer struct {
	policy *Policy
}

// NewDialer returns a Dialer.
func NewDialer(policy *Policy) *Dialer { return &Dialer{policy: policy} }

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
	var dialer net.Dialer
	var firstErr error
	for _, a := range addrs {
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		if firstErr == nil {
			firstErr = err
		}
	}
	return nil, firstErr
}

func (d *Dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, d.policy.Check(a)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
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
