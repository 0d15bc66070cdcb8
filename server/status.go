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
	var ages ages
	s.ask(r.Context(), view, func(*fsm.Node) []string { return []string{} }, func(n *fsm.Node, a peer.LiveAnswer) {
		mu.Lock()
		defer mu.Unlock()
		for _, t := range a.Trouble {
			t.Node = n.Name
			st.Trouble = append(st.Trouble, t)
		}
		ages.join(a)
		st.Repos.Syncing += a.Syncing
		st.Repos.Stale += a.Stale
	})
	st.Trouble = append(st.Trouble, s.silent.trouble(view, st.AnsweredBy)...)
	st.Freshness = ages.freshness()
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
	st.Since, st.Attention = since(&st), append(attention(&st, failing, all.held.since, all.moved, time.Now()), troubledSources(view)...)
	return writeJSON(w, http.StatusOK, st)
}

func impairment(f *fsm.Failure) *api.Impairment {
	if f == nil {
		return nil
	}
	return &api.Impairment{Class: f.Class, Message: f.Message, Since: f.Since.UTC()}
}
