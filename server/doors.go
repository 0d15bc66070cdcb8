package server

import (
	"net/http"
	"slices"
	"strings"

	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
)

// Door is where a request comes in. Clients are not authenticated: who reaches a door is
// all that there is to decide by.
type Door int

// The doors. What is none of the others is one that others reach.
const (
	Reachable Door = iota // at an address that others reach: reads and git
	Loopback              // at one that this host's processes reach: writes too, unless a proxy has passed them on
	Socket                // in the file system, for the node's user and root: writes too
	Open                  // whoever reaches it may write
)

// takes is nil where a write may come in by the door, else why not.
func (d Door) takes(r *http.Request) error {
	switch d {
	case Socket, Open:
		return nil
	case Loopback:
		if by := passedOnBy(r); by != "" {
			return refusal.New(refusal.ReadOnlyAddress, "a proxy has passed this request on, as its header %s says: from others no writes are taken, since clients are not authenticated", by)
		}
		// A kernel may be told to let others' packets through to loopback addresses.
		if network.Loopback(r.RemoteAddr) {
			return nil
		}
	}
	return refusal.ReadOnlyAddress
}

// passedOnBy is a header by which a proxy says that it speaks for somebody else, empty where
// there is none.
func passedOnBy(r *http.Request) string {
	for name := range r.Header {
		if slices.Contains(proxyHeaders, name) || strings.HasPrefix(name, "X-Forwarded-") {
			return name
		}
	}
	return ""
}

// proxyHeaders are those that proxies add, besides X-Forwarded-...: in the order of RFC 7239, RFC
// 9110, nginx, and of who is in front of others.
var proxyHeaders = []string{"Forwarded", "Via", "X-Real-Ip", "X-Forwarded", "Cf-Connecting-Ip", "True-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "Fastly-Client-Ip"}
