package server

import (
	"net/http"
	"strings"
	"time"

	"gitmirror/internal/oneline"
	"gitmirror/internal/refusal"
)

// Starting serves the public port of a process that is not put together yet: it lives, it
// is not ready, and it knows nothing. What is asked waits a moment for it to be started,
// and is answered by next then. waits says what the start waits for, in words; empty for
// nothing yet.
func Starting(started <-chan struct{}, waits func() string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" {
			_, _ = w.Write([]byte("ok\n"))
			return
		}
		if r.URL.Path != "/readyz" {
			soon := time.NewTimer(startPatience)
			defer soon.Stop()
			select {
			case <-started:
				next.ServeHTTP(w, r)
				return
			case <-soon.C:
			case <-r.Context().Done():
				return
			}
		}
		if r.URL.Path == "/readyz" || strings.HasPrefix(r.URL.Path, "/git/") {
			w.Header().Set("Retry-After", "1")
			gitRefuse(w, http.StatusServiceUnavailable, "not ready: "+starting(waits()).Error())
			return
		}
		refuse(w, starting(waits()))
	})
}

// starting says of a start what it waits for: who asks here may have come to find that out.
func starting(waits string) error {
	if waits == "" {
		return refusal.Starting
	}
	return refusal.New(refusal.Starting, "this node is starting, and waits: %s", oneline.Clip(waits, 1000)).Try("its log says more")
}
