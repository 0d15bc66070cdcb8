package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"gitmirror/fsm"
	"gitmirror/internal/gitbody"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
	"gitmirror/internal/spool"
)

// gitRequest is what a path below /git/ asks for.
type gitRequest struct {
	name string // of the repo
	op   string // info/refs or git-upload-pack
}

func parseGit(r *http.Request) (rq gitRequest, ok bool) {
	path, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/git/"))
	if err != nil {
		return rq, false
	}
	for _, op := range []string{"info/refs", "git-upload-pack", "git-receive-pack"} {
		if name, found := strings.CutSuffix(path, "/"+op); found {
			return gitRequest{name: giturl.NormalName(strings.TrimSuffix(name, ".git")), op: op}, true
		}
	}
	return rq, false
}

// route is what its answer is counted by.
func (rq gitRequest) route() string {
	switch rq.op {
	case "info/refs":
		return routeRefs
	case "git-upload-pack":
		return routePack
	}
	return RouteOther
}

// gitRefuse says something that git shows its user: plain text, as "remote:".
func gitRefuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("gitmirror: " + message + "\n"))
}

func gitMethod(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	gitRefuse(w, http.StatusMethodNotAllowed, "this path takes "+allow+" alone")
}

// git serves clones and fetches: from the copy here when it is at the
// generation the table names, else from a node that is, else from the older,
// complete one here.
func (s *Server) git(w http.ResponseWriter, r *http.Request) {
	if name, lfs := lfsName(r); lfs {
		s.awaitPassed(r.Context())
		s.refuseLFS(w, name)
		return
	}
	rq, ok := parseGit(r)
	note(w, func(m *measured) { m.route = rq.route() })
	if !ok {
		gitRefuse(w, http.StatusNotFound, "nothing is served at this path; clone with git's smart HTTP from /git/NAME")
		return
	}
	s.awaitPassed(r.Context())
	view := s.cfg.State.View()
	row := view.RepoByName(rq.name)
	switch {
	case rq.op == "git-receive-pack" || r.URL.Query().Get("service") == "git-receive-pack":
		s.refusePush(w, rq, row)
		return
	case rq.op == "info/refs" && r.Method != http.MethodGet:
		gitMethod(w, http.MethodGet)
		return
	case rq.op == "git-upload-pack" && r.Method != http.MethodPost:
		gitMethod(w, http.MethodPost)
		return
	case rq.op == "info/refs" && r.URL.Query().Get("service") != "git-upload-pack":
		gitRefuse(w, http.StatusNotFound, "only git's smart HTTP protocol is served")
		return
	}
	if row == nil {
		s.gitUntabled(w, r, rq)
		return
	}
	body := &spool.Body{}
	if r.Method != http.MethodGet {
		var err error
		if body, err = gitbody.Read(s.bodies, r); err != nil {
			gitbody.Refuse(w, err, gitRefuse)
			return
		}
		defer body.Close()
		note(w, func(m *measured) { m.pack = !asksForRefs(body) })
	}
	want, err := s.wantedOf(r, rq, body)
	if err != nil {
		gitRefuse(w, http.StatusBadRequest, refusal.Of(err).Detail)
		return
	}
	least := uint64(0)
	if want.current {
		if err := s.catchUp(r.Context()); err != nil {
			refuseStale(w, row, refusal.New(refusal.NotFresh, "this node does not know what is published now: %v", err))
			return
		}
		if view = s.cfg.State.View(); view.Repo(row.ID) != nil {
			row = view.Repo(row.ID)
		}
		least = row.Generation
	}
	if want.any {
		if least, err = s.freshen(r.Context(), row.ID, want); err != nil {
			refuseStale(w, row, err)
			return
		}
		if view = s.cfg.State.View(); view.Repo(row.ID) != nil {
			row = view.Repo(row.ID)
		}
	}
	served, failed := s.serve(w, r, rq, body, view, row, least)
	if served {
		return
	}
	// What is to be refused may be known elsewhere already: a refusal is of the
	// newest table that can be had.
	if s.catchUp(r.Context()) == nil {
		view = s.cfg.State.View()
		newer := view.RepoByName(rq.name)
		if newer != nil && newer.Version != row.Version {
			if served, failed = s.serve(w, r, rq, body, view, newer, least); served {
				return
			}
		}
		if newer != nil {
			row = newer
		}
	}
	if failed != nil {
		failed.Answer(w) // no copy can do it: git says why
		return
	}
	if least > 0 {
		refuseStale(w, row, refusal.New(refusal.NotFresh, "no node that has generation %d answers; it is on %s", least, s.holders(view, row)))
		return
	}
	if row.Generation == 0 {
		state, reason := s.shape(view).state(row)
		gitRefuse(w, http.StatusServiceUnavailable, row.Name+" has no complete copy yet: it is "+state+" ("+reason+")")
		return
	}
	_, err = s.cfg.Git.Open(row.ID)
	if errors.Is(err, ErrNoGit) {
		gitRefuse(w, http.StatusServiceUnavailable, ErrNoGit.Error()+", and no node that has git and holds "+row.Name+" answers; it is on "+s.holders(view, row))
		return
	}
	here := row.Name + " is not on this node"
	if n := view.NodeByID(s.cfg.Self); n != nil && err != nil {
		if _, has := row.Copy(n.Num); has {
			here = row.Name + ": " + err.Error()
		}
	}
	gitRefuse(w, http.StatusServiceUnavailable, here+", and no other node that holds it answers; it is on "+s.holders(view, row))
}

// Unable is an error of a copy that could not answer and has written nothing:
// another may do better. Where none does, Answer sends what there is to say.
type Unable interface {
	error
	Answer(w http.ResponseWriter)
}

// serve answers from the best copy that there is, and returns false, with
// nothing written, where there is none; failed is why the copy here could not. What is
// older than the least generation is none.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, rq gitRequest, body *spool.Body, view *fsm.View, row *fsm.Repo, least uint64) (served bool, failed Unable) {
	mine, err := s.cfg.Git.Open(row.ID)
	here := func() bool {
		if err == nil && mine.Generation() >= least {
			r.Body = body.Replay()
			note(w, func(m *measured) { m.source = SourceLocal })
			if err = answer(w, r, rq.op, mine); err == nil {
				return true
			}
			note(w, func(m *measured) { m.source = SourceNone })
			errors.As(err, &failed)
		}
		return false
	}
	if err == nil && mine.Generation() >= row.Generation && here() {
		return true, nil
	}
	live, dead := s.holding(view, row, least)
	served, silent := s.stream(w, r, rq, body, row, live, holderPatience)
	if served || here() {
		return true, nil
	}
	// With nothing else to show, slow holders are waited for, and those that
	// gossip takes for dead are tried.
	served, _ = s.stream(w, r, rq, body, row, append(silent, dead...), lastPatience)
	return served, failed
}

// gitUntabled answers for a name the table does not have: a node that has not
// caught up yet serves what it finds on its own disk.
func (s *Server) gitUntabled(w http.ResponseWriter, r *http.Request, rq gitRequest) {
	if s.cfg.Consensus.Ready() != nil {
		if mine, err := s.cfg.Git.OpenByName(rq.name); err == nil && answer(w, r, rq.op, mine) == nil {
			return
		}
		gitRefuse(w, http.StatusServiceUnavailable, "this node has started and does not know yet where "+clip(rq.name)+" is; ask another, or wait for a leader")
		return
	}
	gitRefuse(w, http.StatusNotFound, "there is no mirror named "+clip(rq.name))
}

// answer has a copy answer. An error means that nothing was written: another copy may
// do better.
func answer(w http.ResponseWriter, r *http.Request, op string, c OpenCopy) error {
	if op == "info/refs" {
		c.Advertise(w, r)
		return nil
	}
	return c.UploadPack(w, r)
}

func (s *Server) refusePush(w http.ResponseWriter, rq gitRequest, row *fsm.Repo) {
	if row == nil {
		gitRefuse(w, http.StatusNotFound, "there is no mirror named "+clip(rq.name))
		return
	}
	gitRefuse(w, http.StatusForbidden, row.Name+" is a read-only mirror; push to its upstream: "+row.URLs()[0])
}

// holders names the other nodes that have a copy: this one has been asked.
func (s *Server) holders(view *fsm.View, row *fsm.Repo) string {
	var names []string
	for _, c := range row.Copies {
		if n := view.Node(c.Node); n != nil && n.ID != s.cfg.Self && c.State == fsm.CopyReady {
			where := n.HTTP
			if !n.HasGit() {
				where += ", without git"
			}
			names = append(names, n.Name+" ("+where+")")
		}
	}
	if len(names) == 0 {
		return "no other"
	}
	return strings.Join(names, " and ")
}
