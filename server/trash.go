package server

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"path"
	"strings"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
)

// trash lists what was removed and can be restored.
func (s *Server) trash(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit, err := limitOf(q)
	if err != nil {
		return err
	}
	pattern := strings.ToLower(q.Get("q"))
	if _, err := path.Match(pattern, ""); err != nil {
		return refusal.New(refusal.QueryInvalid, "the pattern %q is not well formed", clip(pattern))
	}
	cursor, err := base64.RawURLEncoding.DecodeString(q.Get("cursor"))
	if err != nil {
		return refusal.New(refusal.QueryInvalid, "the cursor is not one that was given out")
	}
	view := s.cfg.State.View()
	out := api.TrashList{Trash: []api.Trashed{}}
	view.Trashed(func(t *fsm.Trashed) bool {
		if api.Matches(t.Name, pattern) {
			out.Total++
		}
		return true
	})
	last := ""
	place := view.TrashedBehind(string(cursor), func(t *fsm.Trashed) bool {
		switch {
		case !api.Matches(t.Name, pattern):
		case len(out.Trash) == limit:
			out.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(last))
			return false
		default:
			out.Trash, last = append(out.Trash, trashedOf(view, t)), fsm.TrashCursor(t)
		}
		return true
	})
	if !place {
		return refusal.New(refusal.QueryInvalid, "the cursor is not one that was given out")
	}
	return writeJSON(w, http.StatusOK, out)
}

func (s *Server) trashed(w http.ResponseWriter, r *http.Request) error {
	view, name := s.cfg.State.View(), r.PathValue("name")
	t := thrown(view, name)
	if t == nil {
		return notInTrash(view, name)
	}
	return writeJSON(w, http.StatusOK, trashedOf(view, t))
}

// restoreRemoved answers with the repo that is back. Where nothing of that name is in the
// trash, the first of the requests with this key may have restored it, and the log knows.
func (s *Server) restoreRemoved(w http.ResponseWriter, r *http.Request) error {
	if err := noBody(w, r); err != nil {
		return err
	}
	view, name := s.cfg.State.View(), r.PathValue("name")
	id := ""
	if t := thrown(view, name); t != nil {
		id = t.ID
	} else if r.Header.Get("Idempotency-Key") == "" {
		return notInTrash(view, name)
	}
	asked := id
	id, err := s.cfg.Writer.Restore(r.Context(), cmp.Or(asked, nobody), key(r))
	if errors.Is(err, refusal.NotFound) { // somebody else was faster
		return notInTrash(s.cfg.State.View(), cmp.Or(asked, name))
	}
	if refused := refusal.Of(err); refused != nil && refused.Existing != "" {
		return refused.Try("gitmirror repo show %s", refused.Existing)
	}
	if err != nil {
		return err
	}
	s.stamp(w)
	if row := s.cfg.State.View().Repo(id); row != nil && !row.Removed {
		return s.written(w, row)
	}
	return refusal.New(refusal.NotFound, "it was restored before, and has been removed since").Try("gitmirror trash ls")
}

// thrown is what was removed that had the name, or the URL, the last of several, or has the id.
func thrown(view *fsm.View, text string) *fsm.Trashed {
	if t := view.TrashedByName(giturl.NormalName(strings.TrimSuffix(text, ".git"))); t != nil {
		return t
	}
	if u, err := giturl.Parse(text); err == nil {
		return view.TrashedByURLKey(u.Key())
	}
	return view.TrashedByID(text)
}

func notInTrash(view *fsm.View, name string) error {
	row := exactly(view, name)
	if row == nil {
		row = view.Repo(name)
	}
	if row != nil && !row.Removed {
		return refusal.New(refusal.NotFound, "%s is not removed: it is there, or back already", row.Name).Try("gitmirror repo show %s", row.Name)
	}
	return refusal.New(refusal.NotFound, "nothing named %q was removed within %d hours", clip(name), int(fsm.TrashedFor.Hours())).Try("gitmirror trash ls")
}

func trashedOf(view *fsm.View, t *fsm.Trashed) api.Trashed {
	out := api.Trashed{Name: t.Name, ID: t.ID, Aliases: append([]string{}, t.Aliases...), URLs: t.URLs(), RemovedAt: t.RemovedAt(), Until: t.Until(),
		Generation: t.Generation, Nodes: []string{}}
	for _, c := range t.Copies {
		if n := view.Node(c.Node); n != nil && c.State == fsm.CopyReady {
			out.Nodes = append(out.Nodes, n.Name)
		}
	}
	return out
}
