package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"gitmirror/internal/giturl"
)

// lfsType is what Git LFS sends and wants back.
const lfsType = "application/vnd.git-lfs+json"

// lfsName is the repository whose LFS API a request is for: git-lfs asks below the url
// that git clones from.
func lfsName(r *http.Request) (name string, ok bool) {
	path, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/git/"))
	if err != nil {
		return "", false
	}
	if _, ofGit := parseGit(r); ofGit {
		return "", false
	}
	i := strings.LastIndex(path, "/info/lfs/")
	name, ok = path[:max(i, 0)], i >= 0
	return giturl.NormalName(strings.TrimSuffix(name, ".git")), ok
}

// refuseLFS says, as the LFS API has it, that objects are not mirrored, and where they
// are. 501 is what git-lfs neither retries nor takes for a missing object.
func (s *Server) refuseLFS(w http.ResponseWriter, name string) {
	status, message := http.StatusNotImplemented, ""
	switch row := s.cfg.State.View().RepoByName(name); {
	case row == nil && s.cfg.Consensus.Ready() != nil:
		status, message = http.StatusServiceUnavailable, "gitmirror: this node has started and does not know yet whether there is a mirror named "+clip(name)
	case row == nil:
		status, message = http.StatusNotFound, "gitmirror: there is no mirror named "+clip(name)
	default:
		at := strings.TrimSuffix(row.URLs()[0], ".git") + ".git/info/lfs"
		message = "gitmirror: LFS objects are not mirrored yet; they are at the upstream, " + row.URLs()[0] + ": git config lfs.url " + at
	}
	w.Header().Set("Content-Type", lfsType)
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Message string `json:"message"`
	}{message})
}
