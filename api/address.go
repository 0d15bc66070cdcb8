package api

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// Where a node takes requests of its own host: a socket of this name in its data directory,
// and in RunDir, where that is there and is the node's user's.
const (
	SocketName = "api.sock"
	RunDir     = "/run/gitmirror"
)

// SocketAddr is the address, for NewClient, of the socket in a directory, whose path is
// absolute.
func SocketAddr(dir string) string {
	u := url.URL{Path: filepath.Join(dir, SocketName)}
	return "unix://" + strings.ReplaceAll(u.EscapedPath(), ",", "%2C") // addresses are parted by commas
}

// Socket is the path of a socket that addr leads to, empty for any other address.
func Socket(addr string) string {
	u, err := url.Parse(addr)
	if err != nil || u.Scheme != "unix" || u.Host != "" || !filepath.IsAbs(u.Path) {
		return ""
	}
	return u.Path
}

// address is where a node is asked.
type address struct {
	text   string // as people write it
	base   string // of URLs; of a socket, with a host of its own
	socket string // its path, empty for TCP
}

// addressOf reads the n-th address of a client.
func addressOf(text string, n int) address {
	if path := Socket(text); path != "" {
		return address{text, fmt.Sprintf("http://%d%s", n, socketHost), path}
	}
	if !strings.Contains(text, "://") && !strings.HasPrefix(text, "unix:") {
		text = "http://" + text
	}
	return address{text: text, base: text}
}

// socketHost is the end of the names by which connections to sockets are told apart.
const socketHost = ".socket.invalid"

// socketAt is the path of the socket that host:port stands for, empty where it is a host.
func (c *Client) socketAt(host string) string {
	if !strings.HasSuffix(host, socketHost+":80") {
		return ""
	}
	for _, a := range c.addrs {
		if a.socket != "" && a.base == "http://"+strings.TrimSuffix(host, ":80") {
			return a.socket
		}
	}
	return ""
}
