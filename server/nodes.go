package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/refusal"
)

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
			Owned: held.Owned, Copies: held.Copies, Leaving: held.Leaving, Since: n.Since.UTC(), Flaps: n.Flaps, Version: strings.TrimSuffix(n.Version, fsm.WithoutGit), Engine: engineOf(n),
			Disk: impairment(n.Disk), Sick: impairment(n.Sick)}
		if out.Role == "" {
			out.Role = roleNonvoter
		}
		switch {
		case n.State != fsm.NodeUp:
		case dead[n.ID]:
			out.State, out.Since = api.NodeSuspect, time.Time{} // nobody has written down since when
		case n.Draining():
			out.State = api.NodeDraining
		}
		list = append(list, out)
	}
	for i := range list {
		if n := view.NodeByID(list[i].ID); n.Draining() {
			list[i].Drain = &api.Drain{Since: n.Drain.UTC(), Left: list[i].Copies, Done: list[i].Copies == 0 && !mustHandOver(list, i)}
		}
	}
	return list
}

// engineOf is what brings the objects of a node's copies.
func engineOf(n *fsm.Node) string {
	if n.HasGit() {
		return api.EngineGit
	}
	return api.EngineGoGit
}

// mustHandOver tells whether a node leads though another could that stays.
func mustHandOver(list []api.Node, i int) bool {
	return list[i].Role == roleLeader && slices.ContainsFunc(list, func(n api.Node) bool { return n.Role == roleVoter && n.State == api.NodeUp })
}

func (s *Server) nodes(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, http.StatusOK, api.NodeList{Nodes: s.nodeList(s.cfg.State.View())})
}

func (s *Server) node(w http.ResponseWriter, r *http.Request) error {
	n := s.cfg.State.View().NodeByName(r.PathValue("name"))
	if n == nil {
		return s.noNode(r.PathValue("name"))
	}
	return s.oneNode(w, n.ID)
}

// noNode says that there is no node of that name, and, where the events that are kept say so, since when: of
// two people who remove one, the second hears what the first has done.
func (s *Server) noNode(name string) *refusal.Error {
	err := notFound("node", name)
	s.cfg.State.View().LatestEvents(func(e *fsm.Event) bool {
		if e.Type == fsm.EventNodeRemoved && strings.EqualFold(e.Name, name) {
			err.Detail += fmt.Sprintf(" any more: it was removed at %s", e.At.UTC().Format(time.RFC3339))
			return false
		}
		return true
	})
	return err
}

// oneNode answers with a node as it is now.
func (s *Server) oneNode(w http.ResponseWriter, id string) error {
	view := s.cfg.State.View()
	list := s.nodeList(view)
	i := slices.IndexFunc(list, func(out api.Node) bool { return out.ID == id })
	if i < 0 {
		return notFound("node", id)
	}
	if out := list[i]; out.Drain != nil && out.Drain.Left > 0 {
		out.Drain.Waiting = s.shape(view).waiting(view.NodeByID(id))
	}
	return writeJSON(w, http.StatusOK, list[i])
}

func (s *Server) removeNode(w http.ResponseWriter, r *http.Request) error {
	accept := r.URL.Query().Get("accept_loss")
	if accept != "" && accept != "true" && accept != "false" {
		return refusal.New(refusal.QueryInvalid, "accept_loss is true or false")
	}
	id := ""
	if n := s.cfg.State.View().NodeByName(r.PathValue("name")); n != nil {
		id = n.ID
	}
	return s.removed(w, r, "node", id, func(ctx context.Context, id, key string) error {
		return s.cfg.Writer.RemoveNode(ctx, id, accept == "true", key)
	})
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) error {
	return s.ofNode(w, r, s.cfg.Writer.Drain)
}

func (s *Server) undrain(w http.ResponseWriter, r *http.Request) error {
	return s.ofNode(w, r, s.cfg.Writer.Undrain)
}

// ofNode has something done with the node that the path names, and answers with the node.
func (s *Server) ofNode(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, id, key string) error) error {
	if err := noBody(w, r); err != nil {
		return err
	}
	n := s.cfg.State.View().NodeByName(r.PathValue("name"))
	if n == nil {
		return s.noNode(r.PathValue("name"))
	}
	if err := do(r.Context(), n.ID, key(r)); err != nil {
		return err
	}
	s.stamp(w)
	return s.oneNode(w, n.ID)
}

// transferLeader answers when another leads.
func (s *Server) transferLeader(w http.ResponseWriter, r *http.Request) error {
	var t api.TransferLeader
	if err := decode(r, &t); err != nil {
		return err
	}
	view, to := s.cfg.State.View(), ""
	if t.To != "" {
		n := view.NodeByName(t.To)
		if n == nil {
			return s.noNode(t.To)
		}
		to = n.ID
	}
	if err := s.cfg.Writer.Transfer(r.Context(), to); err != nil {
		return err
	}
	id, _ := s.leader(r.Context())
	n := view.NodeByID(id)
	if n == nil {
		return refusal.NoLeader
	}
	return writeJSON(w, http.StatusOK, api.Leader{Leader: n.Name})
}
