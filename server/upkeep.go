package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/refusal"
)

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	return s.maintain(w, r, api.Verify)
}

func (s *Server) collect(w http.ResponseWriter, r *http.Request) error {
	return s.maintain(w, r, api.Collect)
}

// maintain has all nodes that hold a repo work on their copies, and waits for none of them.
func (s *Server) maintain(w http.ResponseWriter, r *http.Request, work api.Work) error {
	if err := noBody(w, r); err != nil {
		return err
	}
	if err := s.uninformed(r.Context()); err != nil {
		return err
	}
	view, row, err := s.named(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptTimeout)
	defer cancel()
	out := api.Asked{Repo: row.Name, Copies: []api.AskedCopy{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range row.Copies {
		n := view.Node(c.Node)
		if n == nil || c.State == fsm.CopyLeaving {
			continue
		}
		wg.Go(func() {
			asked := api.AskedCopy{Node: n.Name}
			if u, err := s.maintainAt(ctx, n, row.ID, work); err != nil {
				asked.Error = err.Error()
			} else {
				asked.Upkeep = &u
			}
			mu.Lock()
			defer mu.Unlock()
			out.Copies = append(out.Copies, asked)
		})
	}
	wg.Wait()
	slices.SortFunc(out.Copies, func(a, b api.AskedCopy) int { return strings.Compare(a.Node, b.Node) })
	if !slices.ContainsFunc(out.Copies, func(c api.AskedCopy) bool { return c.Error == "" }) {
		return refusal.New(refusal.NoCopy, "no node that lives has a copy of %s", row.Name).Try("gitmirror repo show %s", row.Name)
	}
	return writeJSON(w, http.StatusAccepted, out)
}

func (s *Server) maintainAt(ctx context.Context, n *fsm.Node, id string, work api.Work) (api.Upkeep, error) {
	switch {
	case n.ID == s.cfg.Self:
		return s.cfg.Local.Maintain(id, work)
	case n.State == fsm.NodeDown || n.State == fsm.NodeLeft:
		return api.Upkeep{}, fmt.Errorf("the node is %s", n.State)
	}
	return s.cfg.Peers.Maintain(ctx, n.Peer, id, work)
}
