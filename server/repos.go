package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

const (
	defaultPage = 100
	maxPage     = 1000
	maxOthers   = 10     // other names that a page tells of
	maxExamined = 20_000 // rows one page looks at: it may be short, with a cursor
)

func (s *Server) repo(w http.ResponseWriter, r *http.Request) error {
	find := s.named
	switch v := r.URL.Query().Get("ending"); v {
	case "true":
		find = s.meant
	case "", "false":
	default:
		return refusal.New(refusal.QueryInvalid, "ending is true or false")
	}
	view, row, err := find(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.renderOne(r, view, row))
}

// written answers a write with what has become of the row.
func (s *Server) written(w http.ResponseWriter, row *fsm.Repo) error {
	s.stamp(w)
	view := s.cfg.State.View()
	now := view.Repo(row.ID)
	if now == nil {
		return notFound("repo", row.Name)
	}
	return writeJSON(w, http.StatusOK, s.shape(view).render(now, firsthand{}))
}

func (s *Server) renderOne(r *http.Request, view *fsm.View, row *fsm.Repo) api.Repo {
	return s.renderAll(r, view, []*fsm.Repo{row})[0]
}

func (s *Server) renderAll(r *http.Request, view *fsm.View, rows []*fsm.Repo) []api.Repo {
	return s.renderThose(r, view, rows, func(*peer.Live) bool { return true })
}

// renderThose renders the rows of which that is so, as far as their owners tell.
func (s *Server) renderThose(r *http.Request, view *fsm.View, rows []*fsm.Repo, so func(*peer.Live) bool) []api.Repo {
	sh := s.shape(view)
	live := s.live(r.Context(), view, rows)
	list := make([]api.Repo, 0, len(rows))
	for _, row := range rows {
		said := live[row.ID]
		if so(cmp.Or(said.owner, &peer.Live{})) {
			list = append(list, sh.render(row, said))
		}
	}
	return list
}

// limitOf is how many rows a page shall have.
func limitOf(q url.Values) (int, error) {
	v := q.Get("limit")
	if v == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxPage {
		return 0, refusal.New(refusal.QueryInvalid, "limit is a number from 1 to %d", maxPage)
	}
	return n, nil
}

// repos is one page, in order of name.
func (s *Server) repos(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit, err := limitOf(q)
	if err != nil {
		return err
	}
	cursor, err := base64.RawURLEncoding.DecodeString(q.Get("cursor"))
	if err != nil {
		return refusal.New(refusal.QueryInvalid, "the cursor is not one that was given out")
	}
	want, pattern := q.Get("state"), strings.ToLower(q.Get("q"))
	if _, err := path.Match(pattern, ""); err != nil {
		return refusal.New(refusal.QueryInvalid, "the pattern %q is not well formed", clip(pattern))
	}
	if want != "" && !slices.Contains(api.StateNames, want) {
		return refusal.New(refusal.QueryInvalid, "%q is no state; the states are %s", clip(want), strings.Join(api.StateNames, ", "))
	}
	stale := q.Get("stale") == "true"
	if v := q.Get("stale"); v != "" && v != "true" && v != "false" {
		return refusal.New(refusal.QueryInvalid, "stale is true or false")
	}
	view := s.cfg.State.View()
	sh := s.shape(view)
	rows, others := []*fsm.Repo{}, api.RepoList{}
	examined, next := 0, ""
	view.Repos(string(cursor), func(row *fsm.Repo) bool {
		if len(rows) == limit || examined == maxExamined {
			return false
		}
		examined++
		next = fsm.Cursor(row)
		other := ""
		if !api.Matches(row.Name, pattern) {
			if other = otherLike(row, pattern); other == "" {
				return true
			}
		}
		switch {
		case want != "" && !sh.in(row, want):
		case other == "":
			rows = append(rows, row)
		case !stale: // which nobody is asked of these
			if others.OtherNamesTotal++; len(others.OtherNames) < maxOthers {
				others.OtherNames = append(others.OtherNames, api.OtherName{Name: other, Of: row.Name})
			}
		}
		return true
	})
	out := others
	out.Repos = s.renderThose(r, view, rows, func(l *peer.Live) bool { return !stale || l.Stale })
	more := false
	if next != "" {
		view.Repos(next, func(*fsm.Repo) bool { more = true; return false })
	}
	if more {
		out.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(next))
	}
	return writeJSON(w, http.StatusOK, out)
}

// otherLike is the first of a row's other names that is like a pattern; empty where none is.
func otherLike(row *fsm.Repo, pattern string) string {
	if i := slices.IndexFunc(row.Aliases, func(name string) bool { return api.Matches(name, pattern) }); i >= 0 {
		return row.Aliases[i]
	}
	return ""
}

// nobody is the id of no repo, and of no node.
const nobody = "-"

// addRequest is the body of POST /api/v1/repos: one repo, or many.
type addRequest struct {
	api.AddRepo
	Repos []api.AddRepo `json:"repos"`
}

func (s *Server) addRepos(w http.ResponseWriter, r *http.Request) error {
	var rq addRequest
	if err := decode(r, &rq); err != nil {
		return err
	}
	many := rq.Repos != nil
	list := rq.Repos
	switch {
	case !many:
		list = []api.AddRepo{rq.AddRepo}
	case rq.URL != "" || len(rq.URLs) > 0 || rq.Name != "":
		return refusal.New(refusal.JSONInvalid, "the body has both one repo and a list of repos")
	default:
		if err := few(len(list)); err != nil {
			return err
		}
	}
	dry := r.URL.Query().Get("dry_run")
	if dry != "" && dry != "true" && dry != "false" {
		return refusal.New(refusal.QueryInvalid, "dry_run is true or false")
	}
	add := func(list []NewRepo) ([]Added, error) { return s.cfg.Writer.Add(r.Context(), list, key(r)) }
	if dry == "true" {
		add = s.cfg.Writer.WouldAdd
	}
	added, err := addable(list, add)
	if err != nil {
		return err
	}
	s.stamp(w)
	view := s.cfg.State.View()
	sh := s.shape(view)
	results := make([]api.AddResult, len(added))
	for i, a := range added {
		switch row := view.Repo(a.ID); {
		case a.Err != nil:
			results[i].Problem = api.ProblemOf(decided(a.Err))
			if there := view.RepoByName(results[i].Problem.Existing); there != nil {
				repo := sh.render(there, firsthand{})
				results[i].There = &repo
			}
		case dry == "true":
			results[i].Would = a.ID
		case row != nil:
			repo := sh.render(row, firsthand{})
			results[i].Repo = &repo
		default: // added by the first request with this key, and removed since
			results[i].Problem = api.ProblemOf(refusal.New(refusal.NotFound, "it was added before, and has been removed since"))
		}
	}
	switch {
	case many || dry == "true":
		return writeJSON(w, http.StatusOK, api.AddResults{Results: results})
	case results[0].Problem != nil:
		return results[0].Problem.Refusal()
	}
	w.Header().Set("Location", "/api/v1/repos/"+results[0].Repo.Name)
	return writeJSON(w, http.StatusCreated, results[0].Repo)
}

// addable has those added that can be read, and says of each what became of it.
func addable(list []api.AddRepo, add func([]NewRepo) ([]Added, error)) ([]Added, error) {
	all := make([]Added, len(list))
	var readable []NewRepo
	var where []int
	for i, a := range list {
		n, err := readRepo(a)
		if err != nil {
			all[i].Err = err
			continue
		}
		readable, where = append(readable, n), append(where, i)
	}
	added, err := add(readable)
	if err != nil {
		return nil, err
	}
	for i, a := range added {
		all[where[i]] = a
	}
	return all, nil
}

func readRepo(a api.AddRepo) (NewRepo, error) {
	n := NewRepo{URLs: a.URLs, Name: a.Name, Labels: a.Labels}
	if a.URL != "" {
		n.URLs = append([]string{a.URL}, a.URLs...)
	}
	var err error
	n.Policy, err = a.Policy()
	return n, err
}

// setRepo changes what the body names.
func (s *Server) setRepo(w http.ResponseWriter, r *http.Request) error {
	var set api.SetRepo
	if err := decode(r, &set); err != nil {
		return err
	}
	name := r.PathValue("name")
	changed, err := s.change(r, []api.SetOne{{Repo: name, SetRepo: set}})
	if err != nil {
		return err
	}
	row, err := outcome(s.cfg.State.View(), name, changed[0])
	if err != nil {
		return err
	}
	return s.written(w, row)
}

func (s *Server) removeRepo(w http.ResponseWriter, r *http.Request) error {
	id := ""
	if row := exactly(s.cfg.State.View(), r.PathValue("name")); row != nil {
		id = row.ID
	}
	return s.removed(w, r, "repo", id, func(ctx context.Context, id, key string) error {
		errs, err := s.cfg.Writer.Remove(ctx, []string{id}, key)
		return cmp.Or(err, errors.Join(errs...))
	})
}

// removed has what a path names removed. An empty id says that there is nothing of that
// name: the first of the requests with this key may have removed it.
func (s *Server) removed(w http.ResponseWriter, r *http.Request, what, id string, remove func(ctx context.Context, id, key string) error) error {
	if err := noBody(w, r); err != nil {
		return err
	}
	if id == "" && r.Header.Get("Idempotency-Key") == "" {
		return s.missing(what, r.PathValue("name"))
	}
	err := remove(r.Context(), cmp.Or(id, nobody), key(r))
	if errors.Is(err, refusal.NotFound) {
		return s.missing(what, r.PathValue("name"))
	}
	if err != nil {
		return err
	}
	s.stamp(w)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
