package forge

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Home tells whether the account is at the kind's own public forge, and not at another address that
// somebody gave.
func (a Account) Home() bool { return a.Base == kinds[a.Kind].home }

// At tells whether the account is at a forge of that HOST or HOST:PORT, by https; by http only where the host
// is a loopback address, since whoever is between could read the token.
func (a Account) At(host string) bool {
	u, err := url.Parse(a.Base)
	if err != nil || host == "" || u.Host == "" {
		return false
	}
	port := "443"
	if u.Scheme != "https" {
		ip, err := netip.ParseAddr(u.Hostname())
		if u.Scheme != "http" || err != nil || !ip.IsLoopback() {
			return false
		}
		port = "80"
	}
	return withPort(u.Host, port) == withPort(host, port)
}

// withPort is an address in one spelling.
func withPort(host, port string) string {
	if name, own, err := net.SplitHostPort(host); err == nil {
		host, port = name, own
	}
	return net.JoinHostPort(strings.ToLower(strings.Trim(host, "[]")), port)
}
