package server

import (
	"net/http"
	"strings"

	"gitmirror/fsm"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
)

// exactly returns the row that is meant by its name, by another one that it has, by either
// with .git behind it, or by a URL that it mirrors; nil for none.
func exactly(view *fsm.View, text string) *fsm.Repo {
	if row := view.RepoByName(giturl.NormalName(strings.TrimSuffix(text, ".git"))); row != nil {
		return row
	}
	if u, err := giturl.Parse(text); err == nil {
		return view.RepoByURLKey(u.Key())
	}
	return nil
}

// named is the row that a path names.
func (s *Server) named(r *http.Request) (*fsm.View, *fsm.Repo, error) {
	view, name := s.cfg.State.View(), r.PathValue("name")
	row := exactly(view, name)
	if row == nil {
		return nil, nil, notFound("repo", name)
	}
	return view, row, nil
}

// shownEnds is how many of the repos are named that end like what is asked for.
const shownEnds = 5

// meant is the row that a path names, also one that is being removed, or whose name alone ends
// in that: who only looks may leave out what goes without saying.
func (s *Server) meant(r *http.Request) (*fsm.View, *fsm.Repo, error) {
	view, row, err := s.named(r)
	if err == nil {
		return view, row, nil
	}
	end := giturl.NormalName(strings.TrimSuffix(r.PathValue("name"), ".git"))
	if end == "" || strings.Contains(end, ":") {
		return nil, nil, err
	}
	view = s.cfg.State.View()
	if row := view.Removing(end); row != nil {
		return view, row, nil
	}
	rows := view.ReposEnding(end, shownEnds+1)
	switch {
	case len(rows) == 0:
		return nil, nil, err
	case len(rows) == 1:
		return view, rows[0], nil
	}
	var names []string
	for _, row := range rows[:min(len(rows), shownEnds)] {
		names = append(names, row.Name)
	}
	if len(rows) > shownEnds {
		names = append(names, "…")
	}
	return nil, nil, refusal.New(refusal.NameAmbiguous, "the names of several repos end in %q: %s", clip(end), strings.Join(names, ", ")).Try("gitmirror repo show %s", rows[0].Name)
}
