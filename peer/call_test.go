package peer

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Each call has a name of its own, whatever is in its path, and what is no call is the API.
func TestCallsAreCountedByName(t *testing.T) {
	for path, want := range map[string]string{
		pathHello: "hello", pathJoin: "join", pathPropose: "propose", pathIndex: "index", pathTable: "table", pathPast: "past", pathRefs: "refs", pathDoubt: "doubt", pathUpkeep: "maintain", pathSync: "sync",
		pathLive: "live", pathPulse: "pulse", pathWhois: "whois", pathMember: "member", PathServe + "01K/git-upload-pack": "serve", PathServe + "hello": "serve",
		"/api/v1/repos/a/hello": "api", pathCalls + "repos/x/of-another-release": "api",
	} {
		if got := nameOf(path); got != want || !slices.Contains(Calls, got) {
			t.Errorf("%s is counted as %q, want %q", path, got, want)
		}
	}
}

func TestCallsAreCountedByFate(t *testing.T) {
	var fates []string
	for _, c := range []struct {
		want   string
		status int
		err    error
	}{
		{"answered", 200, nil}, {"refused", 409, nil}, {"refused", 503, nil},
		{"unreachable", 0, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}}, {"unreachable", 0, syscall.ECONNREFUSED},
		{"silent", 0, &SilentError{Within: time.Second}}, {"silent", 0, context.DeadlineExceeded}, {"canceled", 0, context.Canceled}, {"failed", 0, errors.New("cut")},
	} {
		if got := fateOf(&http.Response{StatusCode: c.status}, c.err); got != c.want {
			t.Errorf("%d, %v is counted as %q, want %q", c.status, c.err, got, c.want)
		}
		fates = append(fates, c.want)
	}
	for _, f := range Fates {
		if !slices.Contains(fates, f) {
			t.Errorf("no call comes to %q", f)
		}
	}
}
