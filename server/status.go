package server

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/peer"
)

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	catchingUp := s.uninformed(r.Context()) != nil
	view := s.cfg.State.View()
	sh := s.shape(view)
	st := api.Status{CatchingUp: catchingUp, ClusterID: view.ClusterID(), Nodes: s.nodeList(view), Trouble: []api.Trouble{}}
	if self := view.NodeByID(s.cfg.Self); self != nil {
		st.AnsweredBy = self.Name
	}
	st.LastContact = timeOf(s.cfg.Consensus.LastContact())
	all := s.tally.count(sh)
	st.Repos = all.repos
	failing := 0
	st.Upstreams, failing = upstreams(all.fails)
	var mu sync.Mutex
	s.ask(r.Context(), view, func(*fsm.Node) []string { return []string{} }, func(n *fsm.Node, a peer.LiveAnswer) {
		mu.Lock()
		defer mu.Unlock()
		for _, t := range a.Trouble {
			t.Node = n.Name
			st.Trouble = append(st.Trouble, t)
		}
		st.Repos.Syncing += a.Syncing
		st.Repos.Stale += a.Stale
	})
	q := quorumOf(st.Nodes)
	st.Leader, st.Tolerates = q.leader, q.tolerates()
	impaired := slices.ContainsFunc(st.Nodes, func(n api.Node) bool { return n.Disk != nil || n.Sick != nil })
	switch {
	case st.Leader == "":
		st.Verdict = api.NoQuorum
	case q.up < q.voters || all.below > 0 || impaired || len(st.Trouble) > 0 || tooMany(failing, st.Repos.Total):
		st.Verdict = api.Degraded
	default:
		st.Verdict = api.Healthy
	}
	st.Since, st.Attention = since(&st), attention(&st, failing, time.Now())
	return writeJSON(w, http.StatusOK, st)
}

func impairment(f *fsm.Failure) *api.Impairment {
	if f == nil {
		return nil
	}
	return &api.Impairment{Class: f.Class, Message: f.Message, Since: f.Since.UTC()}
}

const (
	roleLeader   = "leader"
	roleVoter    = "voter"
	roleNonvoter = "nonvoter"
)

// nodeList is the table's nodes with what they hold. Where nobody leads for long
// nobody keeps the table's states true: then a node that gossip takes for dead is
// shown as suspect.
func (s *Server) nodeList(view *fsm.View) []api.Node {
	roles := s.cfg.Consensus.Roles()
	var dead map[string]bool
	if !s.cfg.Consensus.Settled() {
		dead = s.cfg.Consensus.Dead()
	}
	list := []api.Node{}
	for _, n := range view.Nodes() {
		held := view.Holding(n.Num)
		out := api.Node{Name: n.Name, ID: n.ID, State: string(n.State), Role: roles[n.ID], HTTP: n.HTTP, Peer: n.Peer,
			Owned: held.Owned, Copies: held.Copies, Leaving: held.Leaving, Since: n.Since.UTC(), Flaps: n.Flaps, Version: n.Version,
			Disk: impairment(n.Disk), Sick: impairment(n.Sick)}
		if out.Role == "" {
			out.Role = roleNonvoter
		}
		if dead[n.ID] && n.State == fsm.NodeUp {
			out.State = string(fsm.NodeSuspect)
		}
		list = append(list, out)
	}
	return list
}

func (s *Server) nodes(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, http.StatusOK, api.NodeList{Nodes: s.nodeList(s.cfg.State.View())})
}

func (s *Server) node(w http.ResponseWriter, r *http.Request) error {
	view := s.cfg.State.View()
	n := view.NodeByName(r.PathValue("name"))
	if n == nil {
		return notFound("node", r.PathValue("name"))
	}
	list := s.nodeList(view)
	return writeJSON(w, http.StatusOK, list[slices.IndexFunc(list, func(out api.Node) bool { return out.ID == n.ID })])
}

func (s *Server) removeNode(w http.ResponseWriter, r *http.Request) error {
	id := ""
	if n := s.cfg.State.View().NodeByName(r.PathValue("name")); n != nil {
		id = n.ID
	}
	return s.removed(w, r, "node", id, s.cfg.Writer.RemoveNode)
}
