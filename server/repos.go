package server

import (
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
)

const (
	defaultPage = 100
	maxPage     = 1000
	maxExamined = 20_000 // rows one page looks at: it may be short, with a cursor
	maxAdd      = 1000
)

func (s *Server) repo(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	view := s.cfg.State.View()
	row := view.RepoByName(name)
	if row == nil {
		refuse(w, notFound("repo", name))
		return
	}
	writeJSON(w, http.StatusOK, s.renderOne(r, view, row))
}

func (s *Server) renderOne(r *http.Request, view *fsm.View, row *fsm.Repo) api.Repo {
	return s.renderAll(r, view, []*fsm.Repo{row})[0]
}

func (s *Server) renderAll(r *http.Request, view *fsm.View, rows []*fsm.Repo) []api.Repo {
	sh := s.shape(view)
	live := s.live(r.Context(), view, rows)
	list := make([]api.Repo, len(rows))
	for i, row := range rows {
		if l, ok := live[row.ID]; ok {
			list[i] = sh.render(row, &l)
		} else {
			list[i] = sh.render(row, nil)
		}
	}
	return list
}

// limitOf is how many rows a page shall have.
func limitOf(q url.Values) (int, *refusal.Error) {
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
func (s *Server) repos(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, p := limitOf(q)
	if p != nil {
		refuse(w, p)
		return
	}
	cursor, err := base64.RawURLEncoding.DecodeString(q.Get("cursor"))
	if err != nil {
		refuse(w, refusal.New(refusal.QueryInvalid, "the cursor is not one that was given out"))
		return
	}
	want, pattern := q.Get("state"), strings.ToLower(q.Get("q"))
	if _, err := path.Match(pattern, ""); err != nil {
		refuse(w, refusal.New(refusal.QueryInvalid, "the pattern %q is not well formed", clip(pattern)))
		return
	}
	if want != "" && !slices.Contains(api.StateNames, want) {
		refuse(w, refusal.New(refusal.QueryInvalid, "%q is no state; the states are %s", clip(want), strings.Join(api.StateNames, ", ")))
		return
	}
	view := s.cfg.State.View()
	sh := s.shape(view)
	rows := []*fsm.Repo{}
	examined, next := 0, ""
	view.Repos(string(cursor), func(row *fsm.Repo) bool {
		if len(rows) == limit || examined == maxExamined {
			return false
		}
		examined++
		next = fsm.Cursor(row)
		if !api.Matches(row.Name, pattern) {
			return true
		}
		if want != "" && !sh.in(row, want) {
			return true
		}
		rows = append(rows, row)
		return true
	})
	out := api.RepoList{Repos: s.renderAll(r, view, rows)}
	more := false
	if next != "" {
		view.Repos(next, func(*fsm.Repo) bool { more = true; return false })
	}
	if more {
		out.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(next))
	}
	writeJSON(w, http.StatusOK, out)
}

// nobody is the id of no repo, and of no node.
const nobody = "-"

// addRequest is the body of POST /api/v1/repos: one repo, or many.
type addRequest struct {
	api.AddRepo
	Repos []api.AddRepo `json:"repos"`
}

func (s *Server) addRepos(w http.ResponseWriter, r *http.Request) {
	var rq addRequest
	if p := decode(r, &rq); p != nil {
		refuse(w, p)
		return
	}
	many := rq.Repos != nil
	list := rq.Repos
	switch {
	case !many:
		list = []api.AddRepo{rq.AddRepo}
	case rq.URL != "" || len(rq.URLs) > 0 || rq.Name != "":
		refuse(w, refusal.New(refusal.JSONInvalid, "the body has both one repo and a list of repos"))
		return
	case len(list) == 0 || len(list) > maxAdd:
		refuse(w, refusal.New(refusal.JSONInvalid, "a list has 1 to %d repos, this one has %d", maxAdd, len(list)))
		return
	}
	added, err := s.add(r.Context(), list, key(r))
	if err != nil {
		refuse(w, decided(err))
		return
	}
	s.stamp(w)
	view := s.cfg.State.View()
	sh := s.shape(view)
	results := make([]api.AddResult, len(added))
	for i, a := range added {
		if a.Err != nil {
			results[i].Problem = api.ProblemOf(decided(a.Err))
			continue
		}
		if row := view.Repo(a.ID); row != nil {
			repo := sh.render(row, nil)
			results[i].Repo = &repo
		} else { // added by the first request with this key, and removed since
			results[i].Problem = api.ProblemOf(refusal.New(refusal.NotFound, "it was added before, and has been removed since"))
		}
	}
	switch {
	case many:
		writeJSON(w, http.StatusOK, api.AddResults{Results: results})
	case results[0].Problem != nil:
		refuse(w, results[0].Problem.Refusal())
	default:
		w.Header().Set("Location", "/api/v1/repos/"+results[0].Repo.Name)
		writeJSON(w, http.StatusCreated, results[0].Repo)
	}
}

// add has those added that can be read, and says of each what became of it.
func (s *Server) add(ctx context.Context, list []api.AddRepo, key string) ([]Added, error) {
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
	added, err := s.cfg.Writer.Add(ctx, readable, key)
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
	n.Policy, err = policyOf(a)
	return n, err
}

// setRepo changes what the body names.
func (s *Server) setRepo(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	var set api.SetRepo
	if p := decode(r, &set); p != nil {
		refuse(w, p)
		return
	}
	change, err := changeOf(set)
	if err != nil {
		refuse(w, decided(err))
		return
	}
	row := s.cfg.State.View().RepoByName(name)
	if row == nil {
		refuse(w, notFound("repo", name))
		return
	}
	if err := s.cfg.Writer.SetPolicy(r.Context(), row.ID, change, key(r)); err != nil {
		refuse(w, decided(err))
		return
	}
	s.stamp(w)
	view := s.cfg.State.View()
	if row = view.Repo(row.ID); row == nil {
		refuse(w, notFound("repo", name))
		return
	}
	writeJSON(w, http.StatusOK, s.shape(view).render(row, nil))
}

func (s *Server) removeRepo(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if p := noBody(w, r); p != nil {
		refuse(w, p)
		return
	}
	id := nobody // where it is gone: the first of these requests may have removed it
	if row := s.cfg.State.View().RepoByName(name); row != nil {
		id = row.ID
	} else if r.Header.Get("Idempotency-Key") == "" {
		refuse(w, notFound("repo", name))
		return
	}
	err := s.cfg.Writer.Remove(r.Context(), id, key(r))
	if errors.Is(err, refusal.NotFound) {
		refuse(w, notFound("repo", name))
		return
	}
	if err != nil {
		refuse(w, decided(err))
		return
	}
	s.stamp(w)
	w.WriteHeader(http.StatusNoContent)
}
