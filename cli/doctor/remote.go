package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/internal/network"
)

// Bounds of how far another clock may be off. The header that tells it has whole seconds.
const (
	offABit = 3 * time.Second
	offALot = time.Minute
)

// members looks whether each other node is reached from here, at each of its ports, and what
// its clock says.
func (h Host) members(ctx context.Context) []Check {
	if h.Status == nil {
		return nil
	}
	lists := make([][]Check, len(h.Status.Nodes))
	var wg sync.WaitGroup
	for i, n := range h.Status.Nodes {
		if n.Name == h.Status.AnsweredBy || n.State == "left" {
			continue
		}
		wg.Go(func() { lists[i] = member(ctx, n) })
	}
	wg.Wait()
	var all []Check
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func member(ctx context.Context, n api.Node) []Check {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	list := []Check{reaches(ctx, "peer "+n.Name, n.Peer)}
	u, err := url.Parse(n.HTTP)
	if err != nil || u.Host == "" {
		return list
	}
	name := "http " + n.Name
	if local(u.Hostname()) && !local(host(n.Peer)) {
		return append(list, ok(name, "%s: of its own host alone, and not asked from here", u.Host))
	}
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.HTTP+"/livez", nil)
	if err != nil {
		return list
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: network.Host.DialContext}
	resp, err := transport.RoundTrip(req)
	if err != nil && ctx.Err() != nil {
		return append(list, warn(name, "is it stopped, or cut off? gitmirror node show "+n.Name, "%s has not answered within %s", u.Host, bound))
	}
	if err != nil {
		return append(list, warn(name, "open its port to clients (and to this host), or start it with --advertise-http", "%v", err))
	}
	_ = resp.Body.Close()
	took := time.Since(began)
	list = append(list, ok(name, "%s answers in %s", u.Host, took.Round(time.Millisecond)))
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return list
	}
	// It is of some moment of that second.
	off := theirs.Add(500 * time.Millisecond).Sub(began.Add(took / 2))
	name = "clock of " + n.Name
	switch try := "keep clocks by NTP on both hosts: timedatectl"; {
	case off.Abs() > offALot:
		return append(list, fail(name, try, "%s", apart(off)))
	case off.Abs() > offABit:
		return append(list, warn(name, try, "%s", apart(off)))
	}
	return append(list, ok(name, "as here, to a second"))
}

func apart(off time.Duration) string {
	if off < 0 {
		return fmt.Sprintf("%s behind the one here", (-off).Round(time.Second))
	}
	return fmt.Sprintf("%s ahead of the one here", off.Round(time.Second))
}

func reaches(ctx context.Context, name, addr string) Check {
	began := time.Now()
	c, err := network.Host.DialContext(ctx, "tcp", addr)
	if err != nil {
		try := "is it up? is its port open to the other nodes, for TCP and UDP?"
		if strings.Contains(err.Error(), "no such host") {
			try = "give it an address that resolves here: --advertise"
		}
		return fail(name, try, "%v", err)
	}
	_ = c.Close()
	return ok(name, "%s reached in %s (TCP; gossip's UDP is what node ls calls up)", addr, time.Since(began).Round(time.Millisecond))
}

func host(addr string) string {
	h, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return h
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

const (
	mostHosts = 200
	atOnce    = 16
)

// upstreams looks whether the names of upstreams resolve here.
func (h Host) upstreams(ctx context.Context) []Check {
	if len(h.Upstreams) == 0 {
		return nil
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var list []Check
	places := make(chan struct{}, atOnce)
	hosts := h.Upstreams[:min(len(h.Upstreams), mostHosts)]
	for _, name := range hosts {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, bound)
			defer cancel()
			if _, err := network.Host.LookupNetIP(ctx, "ip", name); err != nil {
				mu.Lock()
				defer mu.Unlock()
				list = append(list, fail("upstream "+name, "look at the DNS of this host: resolvectl query "+name, "%v", err))
			}
		})
	}
	wg.Wait()
	if len(list) == 0 {
		list = append(list, ok("upstreams", "%d hosts resolve", len(hosts)))
	}
	if more := len(h.Upstreams) - len(hosts); more > 0 {
		list = append(list, ok("upstreams", "%d more were not looked up", more))
	}
	return list
}
