package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/testlog"
)

// git-lfs is told in its own language that nothing is here, and where it is.
func TestLFSIsAnsweredLawfully(t *testing.T) {
	a := served(t)
	s := New(Config{Self: "n3", State: a.state, Consensus: a, Git: a, Peers: a, Now: time.Now, Log: testlog.New(t)})
	upstream := a.state.View().RepoByName("r").URLs()[0]
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/git/r/info/lfs/objects/batch", http.StatusNotImplemented},
		{"POST", "/git/r.git/info/lfs/objects/batch", http.StatusNotImplemented},
		{"POST", "/git/r/info/lfs/locks/verify", http.StatusNotImplemented},
		{"GET", "/git/r/info/lfs/locks", http.StatusNotImplemented},
		{"POST", "/git/other/info/lfs/objects/batch", http.StatusNotFound},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(`{"operation":"download","transfers":["basic"],"objects":[{"oid":"11","size":5}]}`))
		r.Host = "127.0.0.1"
		r.Header.Set("Content-Type", lfsType)
		r.Header.Set("Accept", lfsType)
		w := httptest.NewRecorder()
		s.Handler(Open).ServeHTTP(w, r)
		var answer struct{ Message string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != c.status || w.Header().Get("Content-Type") != lfsType || answer.Message == "" {
			t.Errorf("%s %s: %d %s %q, %v", c.method, c.path, w.Code, w.Header().Get("Content-Type"), w.Body, err)
		}
		if c.status == http.StatusNotImplemented && !strings.Contains(answer.Message, upstream) {
			t.Errorf("%s does not say where the objects are: %s", c.path, answer.Message)
		}
	}
}

// A node that does not know the table yet does not say that there is no such mirror.
func TestLFSOnANodeThatHasStarted(t *testing.T) {
	g := &group{ready: errors.New("it has not heard a leader")}
	w := httptest.NewRecorder()
	g.server(t).Handler(Open).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/git/h/r/info/lfs/objects/batch", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
