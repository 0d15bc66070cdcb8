package server

import (
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
)

// Counts are what is true of the cluster as this node's table has it, without asking any
// other node.
type Counts struct {
	Repos     map[string]int // by the state that is shown
	Failing   map[string]int // repos whose upstream cannot be followed, by the class of why
	Below     int            // repos that lack copies, or whose copies lack the newest
	Nodes     map[string]int // by state
	Held      fsm.Holding    // by this node
	Voters    int
	Tolerates int // how many more voters may fail
	Index     uint64
	Sources   []SourceCounts
}

// SourceCounts are what is true of a source. One that a person has paused has no errors, is not held and does not fail.
type SourceCounts struct {
	Name   string
	Repos  int // that it wants
	Errors int // of its last listing
	Held   bool
	Fails  bool      // it cannot be listed, or nobody may list it
	Listed time.Time // when it was last; the zero time where it never was
}

// Counts does not look at rows that have not changed since it, or status, was asked last.
func (s *Server) Counts() Counts {
	view := s.cfg.State.View()
	all := s.tally.count(s.shape(view))
	c := Counts{Repos: all.repos.ByState, Failing: map[string]int{}, Below: all.below, Nodes: map[string]int{}, Index: view.Index()}
	for f, n := range all.fails {
		c.Failing[f.class] += n.repos
	}
	if self := view.NodeByID(s.cfg.Self); self != nil {
		c.Held = view.Holding(self.Num)
	}
	list := s.nodeList(view)
	for _, n := range list {
		c.Nodes[n.State]++
	}
	q := quorumOf(list)
	c.Voters, c.Tolerates = q.voters, q.tolerates()
	for _, src := range view.Sources() {
		t := troubleOf(view, src)
		c.Sources = append(c.Sources, SourceCounts{src.Name, view.ClaimsLen(src.Num), t.errors, t.held != nil, t.unlisted != "", src.ListedAt})
	}
	return c
}

// quorum is who votes.
type quorum struct {
	leader     string // name, empty for none
	voters, up int
}

func quorumOf(nodes []api.Node) (q quorum) {
	for _, n := range nodes {
		if n.Role == roleLeader {
			q.leader = n.Name
		}
		if n.Role == roleLeader || n.Role == roleVoter {
			q.voters++
			if n.Live() {
				q.up++
			}
		}
	}
	return q
}

// tolerates is how many more voters may fail.
func (q quorum) tolerates() int {
	if q.leader == "" {
		return 0
	}
	return max(q.up-q.voters/2-1, 0)
}
