// Package egress is the one way out to upstreams. It resolves a name, checks
// every address it got, and dials a literal one of them: a name cannot turn
// into another address between check and connection, and a private one is
// reached only where the operator has listed it.
//
// Git children go the same way, through a SOCKS5 proxy on the loopback
// interface that resolves for them.
package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Policy says which addresses may be dialled.
type Policy struct {
	allow []netip.Prefix
}

// NewPolicy reads the operator's exceptions to the deny list: CIDR prefixes or
// single addresses.
func NewPolicy(allow []string) (*Policy, error) {
	p := &Policy{}
	for _, s := range allow {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			addr, aerr := netip.ParseAddr(s)
			if aerr != nil {
				return nil, fmt.Errorf("%q is neither an address nor a CIDR prefix like 10.0.0.0/8", s)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		p.allow = append(p.allow, prefix.Masked())
	}
	return p, nil
}

// ErrDenied reports an address that may not be dialled.
var ErrDenied = errors.New("address denied")

// denied are the special-purpose registries of RFC 6890 and its followers:
// whatever is not the public internet.
var denied = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Check returns nil where addr may be dialled, else an error that wraps
// ErrDenied and says why and what to try.
func (p *Policy) Check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	for _, candidate := range append([]netip.Addr{addr}, embedded(addr)...) {
		for _, d := range denied {
			if !d.Contains(candidate) || p.allowed(candidate) {
				continue
			}
			return fmt.Errorf("%w: %s is loopback, private or reserved; a node may reach it when started with --allow-upstream %s", ErrDenied, addr, candidate)
		}
	}
	return nil
}

func (p *Policy) allowed(addr netip.Addr) bool {
	for _, a := range p.allow {
		if a.Contains(addr) {
			return true
		}
	}
	return false
}

// embedded returns the IPv4 addresses that an IPv6 address leads to by way of
// NAT64, 6to4 or Teredo.
func embedded(addr netip.Addr) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	b := addr.As16()
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case strings.HasPrefix(addr.StringExpanded(), "0064:ff9b:0000:0000:0000:0000:"):
		return []netip.Addr{v4(12)}
	case b[0] == 0x20 && b[1] == 0x02:
		return []netip.Addr{v4(2)}
	case b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0:
		var inv [4]byte
		for i := range inv {
			inv[i] = ^b[12+i]
		}
		return []netip.Addr{v4(4), netip.AddrFrom4(inv)}
	}
	return nil
}
