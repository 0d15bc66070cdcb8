// Package browser keeps web pages away from what a browser on this machine, or
// behind our firewall, can reach.
//
// A page may be of a name whose address was changed to ours after the browser had
// loaded it (DNS rebinding): it comes with that name as Host. Or it is of elsewhere:
// its writes come with another origin. Check finds both. It does not replace
// authentication: who is no browser can send what it likes.
package browser

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

var (
	// ErrHost says that the request is meant for a name that is not ours.
	ErrHost = errors.New("this node is not known by that name")
	// ErrOrigin says that a page of elsewhere asks for a change.
	ErrOrigin = errors.New("a web page of another origin may not do this")
)

var origins = http.NewCrossOriginProtection()

// Check refuses what a page of elsewhere sends. IP addresses and localhost always
// lead here: a page cannot have one as its own name, unless it is ours. hosts are the
// other names that do.
func Check(r *http.Request, hosts []string) error {
	if !leadsHere(Host(r), hosts) {
		return ErrHost
	}
	return CheckOrigin(r)
}

// CheckOrigin is Check without names, for where none leads: a socket in the file system.
func CheckOrigin(r *http.Request) error {
	if origins.Check(r) != nil {
		return ErrOrigin
	}
	return nil
}

// Host is the name in the Host header, without its port.
func Host(r *http.Request) string { return Name(r.Host) }

// Name is a host without port, brackets and trailing dot.
func Name(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}

func leadsHere(host string, hosts []string) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "" { // HTTP/1.0, which no browser speaks
		return true
	}
	return strings.EqualFold(host, "localhost") || slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
