package agent

import (
	"context"
	"strings"
	"sync"
	"time"

	"gitmirror/fsm"
)

// shares tells how much of what the cluster may ask hosts for is this node's: as much as it owns
// of what they have. Every node reads that from the table, and nobody has to say it.
type shares struct {
	budgets map[string]float64 // checks a second of the whole cluster, by host

	mu   sync.Mutex
	seen *fsm.View
	self fsm.NodeNum
	own  map[string]int // by host, of those with a budget
	all  map[string]int
}

// sharesEvery is how often the table is looked at.
const sharesEvery = 5 * time.Second

// Rate is how many checks a second this node may make at a host, 0 for any number. It does not
// block. Before the table was read it is what is fair among its nodes.
func (s *shares) Rate(host string) float64 {
	budget := s.budgets[strings.ToLower(host)]
	if budget == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	host = strings.ToLower(host)
	if s.all[host] == 0 || s.own[host] == 0 {
		nodes := 1
		if s.seen != nil {
			nodes = max(nodes, len(s.seen.Nodes()))
		}
		return budget / float64(nodes)
	}
	return budget * float64(s.own[host]) / float64(s.all[host])
}

// count brings the shares to where a view is, by what has changed since the last one.
func (s *shares) count(view *fsm.View, self string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.seen
	s.seen = view
	num := fsm.NodeNum(0)
	if n := view.NodeByID(self); n != nil {
		num = n.Num
	}
	if was != nil && num == s.self {
		if ids, known := view.ChangedSince(was.Index()); known {
			for _, id := range ids {
				s.add(was.Repo(id), -1)
				s.add(view.Repo(id), 1)
			}
			return
		}
	}
	s.self, s.own, s.all = num, map[string]int{}, map[string]int{}
	view.Repos("", func(r *fsm.Repo) bool { s.add(r, 1); return true })
}

func (s *shares) add(r *fsm.Repo, n int) {
	if r == nil || r.Removed || r.LeftAlone() || r.Owner == 0 {
		return
	}
	_, rest, _ := strings.Cut(r.URLs()[0], "://")
	host, _, _ := strings.Cut(rest, "/")
	host = strings.ToLower(host)
	if s.budgets[host] == 0 {
		return
	}
	s.all[host] += n
	if r.Owner == s.self {
		s.own[host] += n
	}
}

// share counts until ctx ends, where there is a budget to be shared.
func (a *Agent) share(ctx context.Context) error {
	if len(a.shares.budgets) == 0 {
		return nil
	}
	tick := time.NewTicker(sharesEvery)
	defer tick.Stop()
	for {
		a.shares.count(a.cfg.State.View(), a.cfg.Self)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Rate is how many checks a second this node may make at an upstream's host, 0 for any number. It
// does not block.
func (a *Agent) Rate(host string) float64 { return a.shares.Rate(host) }
