package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A process that is starting lives, is not ready, and has who asks for more wait a moment:
// then it answers, or says that it is starting.
func TestAProcessAnswersFromItsFirstMoment(t *testing.T) {
	for _, c := range []struct {
		path   string
		starts time.Duration // until it is started
		status int
		answer string
		late   bool
		waits  string
	}{
		{"/livez", time.Hour, 200, "ok", false, ""},
		{"/readyz", time.Hour, 503, "starting", false, ""},
		{"/api/v1/status", time.Second, 200, "the node", true, ""},
		{"/api/v1/status", time.Hour, 503, `"code":"starting"`, true, ""},
		{"/git/a/info/refs", time.Second, 200, "the node", true, ""},
		{"/git/a/info/refs", time.Hour, 503, "gitmirror: not ready", true, ""},
		{"/api/v1/status", time.Hour, 503, "waits: n2's word is n1's, which is gone", true, "n2's word is n1's, which is gone"},
		{"/readyz", time.Hour, 503, "waits: for n1", false, "for n1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			started := make(chan struct{})
			late := time.AfterFunc(c.starts, func() { close(started) })
			defer late.Stop()
			h := Starting(started, func() string { return c.waits }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("the node")) }))
			began, w := time.Now(), httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
			took := time.Since(began)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) || (took > 0) != c.late || took > startPatience {
				t.Errorf("%s of a process that starts in %s: %d %s after %s", c.path, c.starts, w.Code, w.Body, took)
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", c.path, nil).WithContext(gone))
		})
	}
}
