package remote_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
)

// everySecond lets only every second request through.
func everySecond(stumble, handle http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 1 {
			stumble(w, r)
		} else {
			handle(w, r)
		}
	}
}

// hangUp ends the connection in the middle of an answer.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte("half"))
	panic(http.ErrAbortHandler)
}

// A server that fails every second request is followed all the same.
func TestAServerThatStumblesIsAskedAgain(t *testing.T) {
	for name, stumble := range map[string]http.HandlerFunc{"503": status(503), "500": status(500), "hangs up": hangUp} {
		t.Run(name, func(t *testing.T) {
			f := startForge(t, everySecond(stumble, v2(branches)))
			c := client(t, remote.Config{Pause: time.Millisecond})
			first := check(t, c, f.URL+"/x.git")
			if len(first.Advert.Refs) == 0 {
				t.Error("it shows nothing")
			}
			for range 3 {
				if again := check(t, c, f.URL+"/x.git"); again.content != first.content {
					t.Error("changed")
				}
			}
		})
	}
}

func TestWhatIsNoStumbleIsAskedOnce(t *testing.T) {
	for _, c := range []struct {
		handle http.HandlerFunc
		class  failure.Class
		want   int
	}{
		{status(503), failure.Network, 2},
		{status(503, "Retry-After", "60"), failure.Network, 1},
		{status(429), failure.RateLimited, 1},
		{status(404), failure.NotFound, 1},
		{status(401), failure.Auth, 1},
		{hangUp, failure.Network, 2},
	} {
		f := startForge(t, c.handle)
		fails(t, client(t, remote.Config{Pause: time.Millisecond}), f.URL+"/x.git", c.class)
		if requests, _ := f.asked(); len(requests) != c.want {
			t.Errorf("%s: %d requests, want %d", c.class, len(requests), c.want)
		}
	}
}
