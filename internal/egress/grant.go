package egress

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// Grant lets one child through the proxy, to the hosts it was sent to and to no
// other: what an upstream says must not lead git elsewhere. It also knows how many
// bytes came back.
type Grant struct {
	proxy    *Proxy
	user     string
	password string
	hosts    map[string]bool // "host:port"
	received atomic.Int64
	slow     atomic.Bool
	most     atomic.Int64 // bytes that may come; 0 for any number

	mu      sync.Mutex
	strayed string
}

// Grant makes a way to the hosts of some http and https URLs. Revoke must be called.
func (p *Proxy) Grant(urls ...string) (*Grant, error) {
	g := &Grant{proxy: p, password: rand.Text(), hosts: map[string]bool{}}
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil {
			return nil, err
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		g.hosts[Place(u.Hostname(), port)] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	g.user = fmt.Sprintf("git%d", p.last)
	p.grants[g.user] = g
	return g, nil
}

// Place is a host and port as they are compared: an address may be spelt in many ways, and
// a port have zeros before it.
func Place(host, port string) string {
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	return net.JoinHostPort(strings.ToLower(strings.TrimSuffix(host, ".")), strings.TrimLeft(port, "0"))
}

// URL is git's http.proxy. It carries the password of this grant.
func (g *Grant) URL() string {
	return fmt.Sprintf("socks5h://%s:%s@%s", g.user, g.password, g.proxy.listener.Addr())
}

// Received is how many bytes have come from the upstream.
func (g *Grant) Received() int64 { return g.received.Load() }

// Limit cuts the connection when more than n bytes have come.
func (g *Grant) Limit(n int64) { g.most.Store(n) }

// slowPace is how many bytes a second come by a grant that is slowed down.
const slowPace = 64 << 10

// Slow holds what comes to a pace, or lets it go on.
func (g *Grant) Slow(on bool) { g.slow.Store(on) }

// Exceeded tells whether more came than Limit allows.
func (g *Grant) Exceeded() bool {
	most := g.most.Load()
	return most > 0 && g.received.Load() > most
}

// Strayed is the first address that was asked for and is none of the grant's; empty
// for none.
func (g *Grant) Strayed() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.strayed
}

// Revoke lets nobody through any more; what is under way goes on.
func (g *Grant) Revoke() {
	g.proxy.mu.Lock()
	defer g.proxy.mu.Unlock()
	delete(g.proxy.grants, g.user)
}

// leads tells whether target, "host:port", is one of the grant's.
func (g *Grant) leads(target string) bool {
	host, port, err := net.SplitHostPort(target)
	if err == nil && g.hosts[Place(host, port)] {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.strayed == "" {
		g.strayed = target
	}
	return false
}

// grantOf is the grant of a user with that password, or nil.
func (p *Proxy) grantOf(user, password []byte) *Grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.grants[string(user)]
	if g == nil || subtle.ConstantTimeCompare(password, []byte(g.password)) != 1 {
		return nil
	}
	return g
}
