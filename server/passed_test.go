package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// leads is a leader that has acknowledged the write at an index of the log.
type leads struct{ Peers }

func (l leads) Transport(time.Duration) http.RoundTripper { return l }
func (l leads) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{headerIndex: {"40"}}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

// The answer of the leader is passed on at once, and who asks this node next waits until it
// has what was written: but not for ever, and not once it has given up.
func TestWhoHasWrittenThroughANodeReadsItThere(t *testing.T) {
	for _, path := range []string{"POST /api/v1/repos/h/r:sync", "/api/v1/repos/h/r:refs", "/api/v1/nodes", "/api/v1/repos", "/api/v1/repos/h/r", "/api/v1/status", "/git/h/r/info/refs?service=git-upload-pack", "/git/h/r/info/lfs/objects/batch"} {
		synctest.Test(t, func(t *testing.T) {
			g := &group{leader: "other", led: true, peers: leads{}}
			s := g.server(t)
			ask := func(r *http.Request) (waited time.Duration, code int) {
				began, w := time.Now(), httptest.NewRecorder()
				s.Handler(Open).ServeHTTP(w, r)
				return time.Since(began), w.Code
			}
			method, path, ok := strings.Cut(path, " ")
			if !ok {
				method, path = http.MethodGet, method
			}
			get := httptest.NewRequest(method, path, nil)
			get.Header.Set("Content-Type", "application/json")
			if waited, _ := ask(get); waited != 0 {
				t.Errorf("%s: waits %s before anything was written", path, waited)
			}
			if waited, code := ask(g.request()); waited != 0 || code != http.StatusCreated {
				t.Errorf("a write: %d after %s", code, waited)
			}
			gone, leave := context.WithTimeout(t.Context(), time.Second)
			defer leave()
			ask(get.WithContext(gone))
			time.Sleep(time.Minute) // frozen, it may be
			applied := time.AfterFunc(time.Second, func() { put(t, s, 39) })
			if waited, _ := ask(get); waited != leaderPatience {
				t.Errorf("%s: waits %s", path, waited)
			}
			applied.Stop()
			if waited, _ := ask(get); waited != 0 {
				t.Errorf("%s: waits %s where the one before has in vain", path, waited)
			}
			s.passed.vain = 0
			time.AfterFunc(time.Second, func() { put(t, s, 40) })
			if waited, _ := ask(get); waited != time.Second {
				t.Errorf("%s: waits %s for what is here after a second", path, waited)
			}
		})
	}
}

// put has the table of a server be that far in the log.
func put(t *testing.T, s *Server, index uint64) {
	entry, err := fsm.Encode(&command.Tick{}, "", time.Now())
	if err == nil {
		err = s.cfg.State.(*fsm.State).Apply(index, entry).Err
	}
	if err != nil {
		t.Error(err)
	}
}
