package server

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/testlog"
)

// told is what a Meter was told.
type told struct {
	answers []Answer
	clones  []Source
}

func (m *told) Answered(a Answer)              { m.answers = append(m.answers, a) }
func (m *told) Cloned(source Source, _ Answer) { m.clones = append(m.clones, source) }

func (a *around) metered(t *testing.T, method, target, body string) (m *told) {
	t.Helper()
	m = &told{}
	s := New(Config{Self: "n3", State: a.state, Consensus: a, Git: a, Peers: a, Now: time.Now, Hosts: []string{"example.com"}, Meter: m, Log: testlog.New(t)})
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	s.Handler(Open).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body)))
	if len(m.answers) == 1 && m.answers[0].Bytes != int64(w.Body.Len()) {
		t.Errorf("%s %s: %d bytes are counted, %d were sent", method, target, m.answers[0].Bytes, w.Body.Len())
	}
	return m
}

// cutting is a copy whose pack breaks off.
type cutting struct{ gone }

func (cutting) UploadPack(w http.ResponseWriter, _ *http.Request) error {
	_, _ = io.WriteString(w, "PACK")
	panic(http.ErrAbortHandler)
}

// packing is a copy that can be cloned.
type packing struct{ gone }

func (packing) UploadPack(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "PACK")
	return err
}

// Each answer is counted once, under a route that is one of a list whatever was asked for,
// and a clone by whose copy it got.
func TestAnswersAreCountedByRouteAndSource(t *testing.T) {
	const fetch = "0012command=fetch00010000"
	for _, c := range []struct {
		name, method, target, body string
		mine                       OpenCopy
		holder                     error
		route                      string
		code                       int
		cut                        bool
		clones                     []Source
	}{
		{"a probe", "GET", "/livez", "", nil, nil, "/livez", 200, false, nil},
		{"a repo that is not there", "GET", "/api/v1/repos/a/b/c", "", nil, nil, "/api/v1/repos/{name}", 404, false, nil},
		{"a path that is not there", "GET", "/" + strings.Repeat("x", 100), "", nil, nil, RouteOther, 404, false, nil},
		{"a git path that is not there", "GET", "/git/x/HEAD", "", nil, nil, RouteOther, 404, false, nil},
		{"a push", "GET", "/git/r/info/refs?service=git-receive-pack", "", nil, nil, routeRefs, 403, false, nil},
		{"refs", "GET", "/git/r/info/refs?service=git-upload-pack", "", packing{gone{1}}, nil, routeRefs, 200, false, nil},
		{"refs of protocol 2", "POST", "/git/r/git-upload-pack", "0014command=ls-refs\n00010000", packing{gone{1}}, nil, routePack, 200, false, nil},
		{"refs of protocol 2, from JGit", "POST", "/git/r/git-upload-pack", "0013command=ls-refs00010000", packing{gone{1}}, nil, routePack, 200, false, nil},
		{"a clone from here", "POST", "/git/r/git-upload-pack", fetch, packing{gone{1}}, nil, routePack, 200, false, []Source{SourceLocal}},
		{"a clone from another node", "POST", "/git/r/git-upload-pack", fetch, nil, nil, routePack, 200, false, []Source{SourcePeer}},
		{"a clone of a copy that has just gone", "POST", "/git/r/git-upload-pack", fetch, gone{1}, nil, routePack, 200, false, []Source{SourcePeer}},
		{"a clone that nobody can serve", "POST", "/git/r/git-upload-pack", fetch, nil, errors.New("silent"), routePack, 503, false, []Source{SourceNone}},
		{"a clone of a copy that has just gone, and nobody else", "POST", "/git/r/git-upload-pack", fetch, gone{1}, errors.New("silent"), routePack, 503, false, []Source{SourceNone}},
		{"a clone that breaks off", "POST", "/git/r/git-upload-pack", fetch, cutting{gone{1}}, nil, routePack, 200, true, []Source{SourceLocal}},
		{"a host that is not ours", "GET", "http://evil.example/api/v1/status", "", nil, nil, RouteOther, 421, false, nil},
	} {
		a := served(t)
		a.mine = c.mine
		a.answers = func(string, string) (int, error) { return 200, c.holder }
		m := a.metered(t, c.method, c.target, c.body)
		if len(m.answers) != 1 {
			t.Errorf("%s: %d answers are counted", c.name, len(m.answers))
			continue
		}
		got := m.answers[0]
		if got.Route != c.route || got.Code != c.code || got.Cut != c.cut || got.Method != c.method || !slices.Equal(m.clones, c.clones) {
			t.Errorf("%s: %+v and %v are counted", c.name, got, m.clones)
		}
		if !slices.Contains(Routes(), got.Route) {
			t.Errorf("%s: the route %q is in no list", c.name, got.Route)
		}
	}
	if m := served(t).metered(t, "BREW", "/livez", ""); m.answers[0].Method != otherWay {
		t.Errorf("a method that a client has made up is counted as %q", m.answers[0].Method)
	}
}

// Each route that is in the list is one that is asked for, and no other is.
func TestRoutesAreCountedByTheirPaths(t *testing.T) {
	list := Routes()
	for _, rt := range routes {
		if !slices.Contains(list, rt.path) {
			t.Errorf("%s is not counted", rt.path)
		}
	}
	if len(list) > 40 {
		t.Errorf("%d routes: each has a histogram for each method and status", len(list))
	}
}

// What counts answers does not change them: what is streamed is passed on at once, and who
// sends too much is not read from any more.
func TestCountingChangesNothing(t *testing.T) {
	a := served(t)
	a.answers = func(string, string) (int, error) { return 200, nil }
	s := New(Config{Self: "n3", State: a.state, Consensus: a, Git: a, Peers: a, Now: time.Now, Hosts: []string{"example.com"}, Meter: &told{}, Log: testlog.New(t)})
	w := httptest.NewRecorder()
	s.Handler(Open).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/git/r/git-upload-pack", strings.NewReader("0012command=fetch00010000")))
	if w.Code != 200 || !w.Flushed {
		t.Errorf("%d, flushed %v", w.Code, w.Flushed)
	}
	ts := httptest.NewServer(s.Handler(Open))
	defer ts.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", ts.URL+"/api/v1/repos", io.LimitReader(zeros{}, maxBody+1))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := ts.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
		t.Errorf("%s, and the connection is closed: %v", resp.Status, resp.Close)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
