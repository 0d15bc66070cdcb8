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
			g := &group{leader: "other", led: true, peers: leads{}, never: true}
			s := g.server(t)
			ask := func(r *http.Request) (waited time.Duration, code int) {
				began, w := time.Now(), httptest.NewRecorder()
				s.Handler().ServeHTTP(w, r)
				return time.Since(began), w.Code
			}
			method, path, ok := strings.Cut(path, " ")
			if !ok {
				method, path = http.MethodGet, method
			}
			get := httptest.NewRequest(method, path, nil)
			get.Header.Set("Content-Type", "application/json")
			if waited, _ := ask(get); waited != 0 || len(g.waits) > 0 {
				t.Errorf("%s: waits %s for %v before anything was written", path, waited, g.waits)
			}
			if waited, code := ask(g.request()); waited != 0 || code != http.StatusCreated || len(g.waits) > 0 {
				t.Errorf("a write: %d after %s, waits for %v", code, waited, g.waits)
			}
			gone, leave := context.WithTimeout(t.Context(), time.Second)
			defer leave()
			ask(get.WithContext(gone))
			g.waits = nil
			time.Sleep(time.Minute) // frozen, it may be
			if waited, _ := ask(get); waited != leaderPatience || len(g.waits) == 0 || g.waits[0] != 40 {
				t.Errorf("%s: waits %s for %v", path, waited, g.waits)
			}
			if waited, _ := ask(get); waited != 0 {
				t.Errorf("%s: waits %s where the one before has in vain", path, waited)
			}
		})
	}
}
