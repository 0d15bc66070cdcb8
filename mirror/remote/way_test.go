package remote

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"gitmirror/internal/egress"
	"gitmirror/internal/network"
	"gitmirror/internal/testlog"
)

// remotes are those of an engine, whose operator allows such addresses.
func remotes(t *testing.T, allow ...string) *Remotes {
	t.Helper()
	policy, err := egress.NewPolicy(allow)
	if err != nil {
		t.Fatal(err)
	}
	dialer := egress.NewDialer(policy, network.Host)
	proxy, err := egress.NewProxy(dialer)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- proxy.Serve(ctx) }()
	tr := NewTransport(dialer.DialContext)
	t.Cleanup(func() { tr.CloseIdleConnections(); cancel(); <-done })
	return New(Config{Transport: tr, Proxy: proxy, Log: testlog.New(t)})
}

// openWay opens a way to an upstream, until the test ends.
func openWay(t *testing.T, up Remote) *relay {
	t.Helper()
	way, err := up.Fetch()
	if err != nil {
		t.Fatal(err)
	}
	route, err := way.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { route.Close(); way.Close() })
	return route.(*relay)
}

// git goes where the refs were shown, at the end of all redirects, and nowhere else.
func TestGitGoesWhereTheRefsWereShown(t *testing.T) {
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = io.WriteString(w, "001e# service=git-upload-pack\n0000003d"+strings.Repeat("a", 40)+" refs/heads/main\x00\n0000")
	}))
	t.Cleanup(s.Close)
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.URL+"/moved"+r.URL.RequestURI(), http.StatusFound)
	}))
	t.Cleanup(first.Close)
	up := remotes(t, "127.0.0.0/8").Open(first.URL + "/x.git")
	answer, err := up.LsRefs(t.Context(), []string{"refs/heads/"})
	if err != nil {
		t.Fatal(err)
	}
	answer.Close()
	r := openWay(t, up)
	if status := r.ask(t, r.proxy, r.URL()+"/git-upload-pack", "want"); status != http.StatusOK {
		t.Errorf("%d, %v", status, r.cause())
	}
	if want := []string{"GET /moved/x.git/info/refs", "POST /moved/x.git/git-upload-pack"}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
	if status := r.ask(t, r.proxy, first.URL+"/x.git/git-upload-pack", "want"); status != http.StatusForbidden {
		t.Errorf("where it was before: %d", status)
	}
}

// Nobody goes by a way that is closed.
func TestAClosedWayLeadsNowhere(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	t.Cleanup(s.Close)
	way, err := remotes(t, "127.0.0.0/8").Open(s.URL).Fetch()
	if err != nil {
		t.Fatal(err)
	}
	route, err := way.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer route.Close()
	way.Close()
	r := route.(*relay)
	if status := r.ask(t, r.proxy, r.URL(), ""); status != http.StatusBadGateway {
		t.Errorf("%d", status)
	}
}
