package api_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/network"
)

// A client asks at sockets as it does at ports, each by itself, whatever their paths are
// called; the host that it names is one that any node answers to.
func TestSockets(t *testing.T) {
	var client []string
	for _, name := range []string{"n1", "n 2, or %2C #3?"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := network.Host.ListenSocket(filepath.Join(dir, api.SocketName))
		if err != nil {
			t.Fatal(err)
		}
		first := name == "n1"
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "localhost" {
				t.Errorf("it is asked as %q", r.Host)
			}
			if first {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(problem("no_leader")))
				return
			}
			_, _ = w.Write([]byte(`{"cluster_id":"c","verdict":"healthy"}`))
		})}}
		s.Start()
		t.Cleanup(s.Close)
		if got := api.Socket(api.SocketAddr(dir)); got != filepath.Join(dir, api.SocketName) {
			t.Errorf("the socket in %q is %q", dir, got)
		}
		client = append(client, api.SocketAddr(dir))
	}
	c := api.NewClient(client...)
	t.Cleanup(c.Close)
	for range 2 { // the second time over connections that are kept
		if s, err := c.Status(t.Context()); err != nil || s.Verdict != "healthy" || c.Answered() != client[1] {
			t.Errorf("%+v, %v, answered by %q", s, err, c.Answered())
		}
	}
	for _, other := range []string{"unix:api.sock", "unix://host/api.sock", "http://h/api.sock", "/api.sock", "unix:"} {
		if got := api.Socket(other); got != "" {
			t.Errorf("%s leads to the socket %q", other, got)
		}
	}
}
