package peer

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"gitmirror/internal/network"
)

// Call is one call of another node, as it is counted.
type Call struct {
	Name string        // one of Calls
	Fate string        // one of Fates
	Took time.Duration // until the answer began, or was given up
}

// Calls are the names of all calls: what their paths end in, and what is passed on for
// clients, git's requests and the API's.
var Calls = []string{"hello", "join", "propose", "index", "table", "past", "refs", "doubt", "maintain", "sync", "live", "pulse", "whois", "member", "serve", "api"}

// Fates are what calls come to. Answered is any answer but a refusal; a peer that is silent
// was reached, or not known to be unreachable, and was given up.
var Fates = []string{"answered", "refused", "unreachable", "silent", "canceled", "failed"}

// nameOf is the name of the call that a path is of. No id is part of it.
func nameOf(path string) string {
	switch {
	case strings.HasPrefix(path, PathServe):
		return "serve"
	case strings.HasPrefix(path, pathCalls):
		if name := path[strings.LastIndexByte(path, '/')+1:]; slices.Contains(Calls, name) {
			return name
		}
	}
	return "api"
}

func fateOf(resp *http.Response, err error) string {
	switch {
	case err == nil && resp.StatusCode < 400:
		return "answered"
	case err == nil:
		return "refused"
	case network.NotDialled(err):
		return "unreachable"
	case errors.As(err, new(*SilentError)), errors.Is(err, context.DeadlineExceeded):
		return "silent"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "failed"
}
