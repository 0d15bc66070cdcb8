package node

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"os"

	"gitmirror/internal/advice"
)

// settle says who the node is and where, given what its node.json keeps, or why it cannot
// be that.
func (c Config) settle(kept Place) (Config, error) {
	first := c.First
	first.HTTP, first.Peer = cmp.Or(first.HTTP, DefaultHTTP), cmp.Or(first.Peer, DefaultPeer)
	if cmp.Or(c.Name, kept.Name, first.Name) == "" {
		name, err := os.Hostname()
		if err != nil {
			return c, &advice.Error{Code: 2, Message: fmt.Sprintf("this host does not know its name: %v", err), Try: "gitmirror start --name NAME", Err: err}
		}
		first.Name = name
	}
	c.place(kept.Become(Place{Name: c.Name, HTTP: c.HTTP, Peer: c.Peer, Advertise: c.Advertise, AdvertiseHTTP: c.AdvertiseHTTP}, first))
	err := checkNodeName(c.Name, func(format string, args ...any) error {
		return &advice.Error{Code: 2, Message: fmt.Sprintf(format, args...), Try: "gitmirror start --name NAME"}
	})
	if err != nil {
		return c, err
	}
	return c, checkAddresses(c)
}

func (c *Config) place(p Place) {
	c.Name, c.HTTP, c.Peer, c.Advertise, c.AdvertiseHTTP = p.Name, p.HTTP, p.Peer, p.Advertise, p.AdvertiseHTTP
}

// tellIgnored logs what the environment or a file would have the node be, had it not been
// something else before.
func (c Config) tellIgnored(settled Config, log *slog.Logger) {
	for _, s := range []struct{ name, said, first, is string }{
		{"name", c.Name, c.First.Name, settled.Name}, {"http", c.HTTP, c.First.HTTP, settled.HTTP}, {"peer", c.Peer, c.First.Peer, settled.Peer},
		{"advertise", c.Advertise, c.First.Advertise, settled.Advertise}, {"advertise-http", c.AdvertiseHTTP, c.First.AdvertiseHTTP, settled.AdvertiseHTTP},
	} {
		if s.said == "" && s.first != "" && s.first != s.is {
			log.Warn("the node stays what its node.json says, which only a flag changes", "setting", s.name, "is", s.is, "not", s.first, "try", fmt.Sprintf("start once with --%s %s", s.name, s.first))
		}
	}
}

// bound is the node's place with the ports that it has been given, where it left that open.
func (n *node) bound() Place {
	p := Place{Name: n.cfg.Name, HTTP: n.cfg.HTTP, Peer: n.cfg.Peer, Advertise: n.cfg.Advertise, AdvertiseHTTP: n.cfg.AdvertiseHTTP}
	p.HTTP, p.Peer = withPort(p.HTTP, n.web.Addr().String()), withPort(p.Peer, n.port.Addr())
	return p
}

// withPort is an address that was asked for, with the port that was bound.
func withPort(asked, bound string) string {
	host, _, err := net.SplitHostPort(asked)
	_, port, err2 := net.SplitHostPort(bound)
	if err != nil || err2 != nil {
		return asked
	}
	return net.JoinHostPort(host, port)
}
