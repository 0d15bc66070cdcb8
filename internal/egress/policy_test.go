package egress

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func policy(t *testing.T, allow ...string) *Policy {
	t.Helper()
	p, err := NewPolicy(allow)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDeniedAddresses(t *testing.T) {
	p := policy(t)
	for _, a := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
		"169.254.169.254", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1",
		"198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::8.8.8.8", // unspecified, loopback, IPv4-compatible
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:0", // IPv4-mapped
		"64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::808:808", // NAT64
		"2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", // 6to4
		"2001:0:7f00:1::", "2001:0:808:808::80ff:fffe", "2001:0:808:808:0:0:f5ff:fffe", // Teredo: server, client 127.0.0.1, client 10.0.0.1
		"fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1",
	} {
		err := p.Check(netip.MustParseAddr(a))
		if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "--allow-upstream") {
			t.Errorf("%s: %v, want a denial that says how to allow it", a, err)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	p := policy(t)
	for _, a := range []string{
		"8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "172.15.255.255", "172.32.0.0",
		"192.167.255.255", "192.169.0.0", "223.255.255.255", "::ffff:8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7",
	} {
		if err := p.Check(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestAllowListIsAnExceptionForWhatItNames(t *testing.T) {
	p := policy(t, "10.1.0.0/16", "127.0.0.1", "fd00::/8", "192.168.7.9/24")
	for a, ok := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": true, "127.0.0.2": false, "fd12::1": true, "fc00::1": false, "::1": false,
		"::ffff:10.1.2.3": true, "::ffff:10.2.0.1": false, "64:ff9b::10.1.2.3": true, "64:ff9b::10.2.0.1": false, "2002:a01:203::": true, "192.168.7.1": true, "192.168.8.1": false,
	} {
		if err := p.Check(netip.MustParseAddr(a)); (err == nil) != ok {
			t.Errorf("%s: %v, want allowed: %v", a, err, ok)
		}
	}
	// What the message proposes works.
	for _, a := range []string{"169.254.1.1", "64:ff9b::7f00:1", "2002:a00:1::1", "::1"} {
		addr := netip.MustParseAddr(a)
		_, proposal, _ := strings.Cut(policy(t).Check(addr).Error(), "--allow-upstream ")
		if err := policy(t, proposal).Check(addr); err != nil {
			t.Errorf("%s is still denied with --allow-upstream %s: %v", a, proposal, err)
		}
	}
}

func TestUnreadableAllowList(t *testing.T) {
	for _, s := range []string{"", "10.0.0.0/33", "example.com", "10.0.0", "10.0.0.0/8,11.0.0.0/8", "*"} {
		if _, err := NewPolicy([]string{s}); err == nil || !strings.Contains(err.Error(), "CIDR") {
			t.Errorf("%q: %v", s, err)
		}
	}
}
