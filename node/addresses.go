package node

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"gitmirror/cluster"
	"gitmirror/internal/advice"
	"gitmirror/internal/browser"
	"gitmirror/internal/descriptors"
	"gitmirror/internal/network"
)

// checkAddresses refuses what would open this node to others without the
// operator having said so.
func checkAddresses(cfg Config) error {
	for _, a := range []struct{ flag, value string }{{"--http", cfg.HTTP}, {"--peer", cfg.Peer}} {
		_, port, err := net.SplitHostPort(a.value)
		if err != nil {
			return &advice.Error{Code: 2, Message: fmt.Sprintf("%s %q is not host:port", a.flag, a.value), Try: a.flag + " 127.0.0.1:7654"}
		}
		if err := checkPort(a.flag, port); err != nil {
			return err
		}
	}
	if err := checkApart(cfg.HTTP, cfg.Peer); err != nil {
		return err
	}
	for _, a := range []struct{ flag, value string }{{"--advertise", cfg.Advertise}, {"--advertise-http", cfg.AdvertiseHTTP}} {
		if a.value == "" {
			continue
		}
		host, port, err := net.SplitHostPort(a.value)
		if err != nil || host == "" {
			return &advice.Error{Code: 2, Message: fmt.Sprintf("%s %q is not host:port", a.flag, a.value), Try: a.flag + " HOST:PORT, as others reach this node"}
		}
		if wildcard(a.value) || port == "0" {
			return &advice.Error{Code: 2, Message: fmt.Sprintf("%s %s is no address that others could reach", a.flag, a.value), Try: a.flag + " HOST:PORT, as others reach this node"}
		}
		if err := checkPort(a.flag, port); err != nil {
			return err
		}
	}
	if err := checkJoins(cfg); err != nil {
		return err
	}
	if !network.Loopback(cfg.Peer) && !cfg.InsecurePeers {
		return &advice.Error{Code: 2, Message: fmt.Sprintf("the peer address %s can be reached from other hosts, and peers do not authenticate each other yet", cfg.Peer),
			Try: "on a network where every host is trusted, add --insecure-peers"}
	}
	for _, a := range []struct{ flag, value, advertise string }{{"--peer", cfg.Peer, cfg.Advertise}, {"--http", cfg.HTTP, cfg.AdvertiseHTTP}} {
		if wildcard(a.value) && a.advertise == "" {
			return &advice.Error{Code: 2, Message: fmt.Sprintf("%s %s listens everywhere, so others must be told where: --advertise%s is missing", a.flag, a.value, map[string]string{"--http": "-http"}[a.flag]),
				Try: fmt.Sprintf("--advertise%s HOST:PORT", map[string]string{"--http": "-http"}[a.flag])}
		}
	}
	return nil
}

// checkPort refuses what is no port: 0 is any that is free.
func checkPort(flag, port string) error {
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return &advice.Error{Code: 2, Message: fmt.Sprintf("%s: %q is no port: they are numbers up to 65535", flag, port), Try: flag + " HOST:7654"}
	}
	return nil
}

// checkExpect refuses what could found two clusters, or none.
func checkExpect(cfg Config) error {
	line := map[string]bool{}
	for _, a := range cfg.Join {
		line[a] = true
	}
	switch {
	case cfg.Expect == 0:
	case cfg.Expect < 0:
		return &advice.Error{Code: 2, Message: fmt.Sprintf("--bootstrap-expect %d is no number of nodes", cfg.Expect), Try: "--bootstrap-expect 3"}
	case cfg.Expect > 1 && len(line) == 0:
		return &advice.Error{Code: 2, Message: "--bootstrap-expect waits for others, and nobody says where they are: --join is missing",
			Try: fmt.Sprintf("the same line for all nodes: --join A:7655,B:7655,C:7655 --bootstrap-expect %d", cfg.Expect)}
	case len(line) >= 2*cfg.Expect:
		return &advice.Error{Code: 2, Message: fmt.Sprintf("--join names %d addresses: two halves of them, which cannot see each other, could each found a cluster of --bootstrap-expect %d", len(line), cfg.Expect),
			Try: fmt.Sprintf("--bootstrap-expect %d, more than half of them", len(line)/2+1)}
	}
	return nil
}

// hostNames are the names that clients may know the public port by.
func hostNames(cfg Config) []string {
	var list []string
	for _, host := range slices.Concat(cfg.AllowHost, []string{cfg.HTTP, cfg.AdvertiseHTTP}) {
		list = append(list, browser.Name(host))
	}
	return list
}

func wildcard(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	ip := net.ParseIP(host)
	return err == nil && (host == "" || ip != nil && ip.IsUnspecified())
}

// listen binds both ports.
func listen(cfg Config) (web *descriptors.Gate, port *cluster.Port, err error) {
	if port, err = cluster.Listen(cfg.Network, cfg.Peer); err != nil {
		if errors.Is(err, cluster.ErrPortBusy) {
			err = &advice.Error{Message: fmt.Sprintf("cannot listen on the peer address: %v", err), Err: err,
				Try: "choose another with --peer, or stop what uses it"}
		}
		return nil, nil, err
	}
	http, err := cfg.Network.Listen(cfg.HTTP)
	if err != nil {
		return nil, nil, errors.Join(&advice.Error{Message: fmt.Sprintf("cannot listen on the API address: %v", err), Err: err,
			Try: "choose another with --http, or stop what uses it"}, port.Close())
	}
	return descriptors.NewGate(http, descriptors.Ours().Public), port, nil
}
