package server

import (
	"fmt"
	"net/http"
	"strings"
)

func (s *Server) livez(w http.ResponseWriter, r *http.Request) error {
	_, _ = w.Write([]byte("ok\n"))
	return nil
}

// readyz tells whether requests should come to this node. With ?verbose it lists what was
// looked at, a line each, as Kubernetes' own components do.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q := r.URL.Query()
	checks := s.checks(q.Has("noleader"))
	status, said := http.StatusOK, "ok\n"
	for _, c := range checks {
		if c.counts && c.why != "" {
			status, said = http.StatusServiceUnavailable, "not ready: "+c.why+"\n"
			break
		}
	}
	if q.Has("verbose") {
		said = list(checks, status == http.StatusOK)
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(said))
	return nil
}

// check is one thing that is looked at.
type check struct {
	name   string
	why    string // it is not well; empty when it is
	counts bool   // then this node is not ready
}

// checks are what is looked at. Requests for git alone (noleader) are served without a
// leader too: the copies here are what they are. Only while there is one, and this node is
// about to learn from it what it missed, others know better. A node whose disk or copies are
// not well still answers, from others' copies: that is shown, and does not count.
func (s *Server) checks(noleader bool) []check {
	err, led := s.cfg.Consensus.Ready(), s.cfg.Consensus.Led()
	log := check{name: "log", counts: led || !noleader}
	if err != nil {
		log.why = err.Error()
	}
	leader := check{name: "leader", counts: !noleader}
	if !led {
		leader.why = "this node has not heard from a leader for a while; git alone is served: /readyz?noleader"
	}
	disk, copies, peers := check{name: "disk"}, check{name: "copies"}, check{name: "peers"}
	view := s.cfg.State.View()
	if self := view.NodeByID(s.cfg.Self); self != nil {
		if f := self.Disk; f != nil {
			disk.why = f.Class + ": " + f.Message
		}
		if f := self.Sick; f != nil {
			copies.why = f.Class + ": " + f.Message
		}
	}
	gone := 0
	for _, dead := range s.cfg.Consensus.Dead() {
		if dead {
			gone++
		}
	}
	if others := len(view.Nodes()) - 1; gone > 0 && gone >= others {
		peers.why = fmt.Sprintf("gossip takes all %d other nodes for dead", gone)
	}
	return []check{log, leader, peers, disk, copies}
}

// list has a line for each check: [+] for what is well, [-] for what keeps the node from
// being ready, [!] for what does not.
func list(checks []check, ready bool) string {
	var b strings.Builder
	for _, c := range checks {
		switch {
		case c.why == "":
			fmt.Fprintf(&b, "[+]%s ok\n", c.name)
		case c.counts:
			fmt.Fprintf(&b, "[-]%s failed: %s\n", c.name, c.why)
		default:
			fmt.Fprintf(&b, "[!]%s failed, which does not count: %s\n", c.name, c.why)
		}
	}
	if ready {
		b.WriteString("readyz check passed\n")
	} else {
		b.WriteString("readyz check failed\n")
	}
	return b.String()
}
