package server

import (
	"cmp"
	"errors"
	"net/http"

	"golang.org/x/sync/errgroup"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/refusal"
)

// What is asked of many repos in one request. Each has a result of its own, in the order in
// which they were asked for.

// few refuses a list that is too long, or none.
func few(n int) error {
	if n == 0 || n > api.MostRepos {
		return refusal.New(refusal.JSONInvalid, "a list has 1 to %d repos, this one has %d", api.MostRepos, n)
	}
	return nil
}

// known finds the rows that are meant. Where there is none it has the id of no repo: an earlier
// request with this key may have removed or renamed it, and the log knows. Where there is no key
// nothing was done by one.
func (s *Server) known(r *http.Request, name string) (id string, err error) {
	if row := exactly(s.cfg.State.View(), name); row != nil {
		return row.ID, nil
	}
	if r.Header.Get("Idempotency-Key") == "" {
		return "", notFound("repo", name)
	}
	return nobody, nil
}

// removeRepos removes many.
func (s *Server) removeRepos(w http.ResponseWriter, r *http.Request) error {
	var rq api.RepoNames
	if err := decode(r, &rq); err != nil {
		return err
	}
	if err := few(len(rq.Repos)); err != nil {
		return err
	}
	out := api.RepoResults{Results: make([]api.RepoResult, len(rq.Repos))}
	var ids []string
	var where []int
	for i, name := range rq.Repos {
		id, err := s.known(r, name)
		if out.Results[i] = (api.RepoResult{Name: name, Problem: problemOf(name, err)}); err == nil {
			ids, where = append(ids, id), append(where, i)
		}
	}
	if len(ids) > 0 {
		errs, err := s.cfg.Writer.Remove(r.Context(), ids, key(r))
		if err != nil {
			return err
		}
		view := s.cfg.State.View()
		sh := s.shape(view)
		for k, i := range where {
			if out.Results[i].Problem = problemOf(rq.Repos[i], errs[k]); errs[k] != nil {
				continue
			}
			if out.Results[i].StaysFor = wantedBy(view, ids[k]); len(out.Results[i].StaysFor) > 0 {
				repo := sh.render(view.Repo(ids[k]), firsthand{})
				out.Results[i].Repo = &repo
			}
		}
	}
	s.stamp(w)
	return writeJSON(w, http.StatusOK, out)
}

// setRepos changes many.
func (s *Server) setRepos(w http.ResponseWriter, r *http.Request) error {
	var rq api.SetRepos
	if err := decode(r, &rq); err != nil {
		return err
	}
	if err := few(len(rq.Repos)); err != nil {
		return err
	}
	changed, err := s.change(r, rq.Repos)
	if err != nil {
		return err
	}
	s.stamp(w)
	view := s.cfg.State.View()
	sh := s.shape(view)
	out := api.RepoResults{Results: make([]api.RepoResult, len(rq.Repos))}
	for i, set := range rq.Repos {
		row, err := outcome(view, set.Repo, changed[i])
		if out.Results[i] = (api.RepoResult{Name: set.Repo, Problem: problemOf(set.Repo, err)}); err == nil {
			repo := sh.render(row, firsthand{})
			out.Results[i].Repo = &repo
		}
	}
	return writeJSON(w, http.StatusOK, out)
}

// change has those changed that can be read, and says of each what became of it.
func (s *Server) change(r *http.Request, list []api.SetOne) ([]Added, error) {
	results := make([]Added, len(list))
	var changes []Change
	var where []int
	for i, set := range list {
		c, err := changeOf(set.SetRepo)
		if err == nil {
			c.ID, err = s.known(r, set.Repo)
		}
		if err != nil {
			results[i].Err = err
			continue
		}
		changes, where = append(changes, c), append(where, i)
	}
	if len(changes) == 0 {
		return results, nil
	}
	done, err := s.cfg.Writer.Change(r.Context(), changes, key(r))
	if err != nil {
		return nil, err
	}
	for k, one := range done {
		results[where[k]] = one
	}
	return results, nil
}

// outcome is what has become of a row, or why nothing.
func outcome(view *fsm.View, name string, done Added) (*fsm.Repo, error) {
	row := view.Repo(done.ID)
	switch {
	case errors.Is(done.Err, refusal.NotFound): // the log knows it by its id
		return nil, notFound("repo", name)
	case done.Err != nil:
		return nil, done.Err
	case row == nil:
		return nil, refusal.New(refusal.NotFound, "%s was changed before, and has been removed since", clip(name))
	}
	return row, nil
}

func changeOf(set api.SetRepo) (Change, error) {
	p, err := set.Change()
	c := Change{Policy: p, Labels: set.Labels, Name: set.Name, Aliases: set.Aliases, Paused: set.Paused}
	if set.URLs != nil {
		c.URLs = append([]string{}, *set.URLs...)
	}
	return c, err
}

// problemOf is what is told of an error about a repo that was asked for by that name; nil of
// none.
func problemOf(name string, err error) *api.Problem {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, refusal.NotFound): // the log knows it by its id
		err = notFound("repo", name)
	}
	return api.ProblemOf(decided(err))
}

// syncsAtOnce bounds how many owners are asked at once.
const syncsAtOnce = 32

// syncRepos has the upstreams of many asked, and waits for none.
func (s *Server) syncRepos(w http.ResponseWriter, r *http.Request) error {
	var rq api.RepoNames
	if err := decode(r, &rq); err != nil {
		return err
	}
	if err := cmp.Or(few(len(rq.Repos)), s.uninformed(r.Context())); err != nil {
		return err
	}
	view := s.cfg.State.View()
	out := api.RepoResults{Results: make([]api.RepoResult, len(rq.Repos))}
	var g errgroup.Group
	g.SetLimit(syncsAtOnce)
	for i, name := range rq.Repos {
		g.Go(func() error {
			res := api.RepoResult{Name: name}
			if row := exactly(view, name); row == nil {
				res.Problem = problemOf(name, notFound("repo", name))
			} else if came, err := s.syncRow(r.Context(), view, row, 0); err != nil {
				res.Problem = problemOf(name, err)
			} else {
				res.Sync = &came
			}
			out.Results[i] = res
			return nil
		})
	}
	_ = g.Wait() // each result has its own error
	return writeJSON(w, http.StatusOK, out)
}
