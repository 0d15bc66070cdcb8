package node

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"gitmirror/internal/advice"
	"gitmirror/internal/network"
)

// The ports that a node has unless it is told otherwise.
const (
	usualHTTP = "7654"
	usualPeer = "7655"
)

// checkApart refuses one address for both ports.
func checkApart(http, peer string) error {
	httpHost, httpPort, _ := net.SplitHostPort(http)
	peerHost, peerPort, _ := net.SplitHostPort(peer)
	if httpPort != peerPort || httpPort == "0" || httpHost != peerHost && !wildcard(http) && !wildcard(peer) {
		return nil
	}
	other := usualHTTP
	if peerPort == usualHTTP {
		other = usualPeer
	}
	return &advice.Error{Code: 2, Message: fmt.Sprintf("--http %s and --peer %s are one port: clients and nodes need one each", http, peer),
		Try: fmt.Sprintf("--http %s --peer %s", net.JoinHostPort(httpHost, other), peer)}
}

// checkJoins refuses what is no peer address of a member, and members that could not reach
// this node.
func checkJoins(cfg Config) error {
	ours := cfg.Peer
	if cfg.Advertise != "" {
		ours = cfg.Advertise
	}
	for _, seed := range cfg.Join {
		bad := func(why, try string) error {
			return &advice.Error{Code: 2, Message: fmt.Sprintf("--join %q %s", seed, why), Try: try}
		}
		host, port, err := net.SplitHostPort(seed)
		switch n, bits := strconv.ParseUint(port, 10, 16); {
		case strings.Contains(seed, "://"):
			return bad("is a URL: nodes join at the peer address of a member, which is host:port", "--join "+peerOf(seed))
		case err != nil || port == "":
			return bad("has no port: nodes join at the peer address of a member, which is host:port", "--join "+net.JoinHostPort(strings.Trim(strings.TrimSuffix(seed, ":"), "[]"), usualPeer))
		case host == "":
			return bad("has no host: nodes join at the peer address of a member, which is host:port", "--join HOST:"+port)
		case bits != nil || n == 0:
			return bad("has a port that is none", "--join "+net.JoinHostPort(host, usualPeer))
		case wildcard(seed):
			return bad("is where a node listens, not where it is reached", "--join HOST:"+port)
		case seed == cfg.HTTP:
			return bad("is this node's own --http", "--join HOST:PORT, the peer address of a member")
		}
		if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() && network.Loopback(ours) {
			flag := "--peer"
			if cfg.Advertise != "" {
				flag = "--advertise"
			}
			return &advice.Error{Code: 2, Message: fmt.Sprintf("others do not reach this node at %s %s, which is a loopback address, so it cannot join the cluster at %s", flag, ours, seed),
				Try: fmt.Sprintf("--join %s --peer HOST:%s --insecure-peers --http HOST:%s, where HOST is this machine's address in their network", seed, usualPeer, usualHTTP)}
		}
	}
	return nil
}

// peerOf is the peer address that somebody meant who gave a URL: its host, and its port
// where that is not the usual one of the API.
func peerOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "HOST:" + usualPeer
	}
	port := u.Port()
	if port == "" || port == usualHTTP {
		port = usualPeer
	}
	return net.JoinHostPort(u.Hostname(), port)
}
