package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
)

// ask sends a request to the public port.
func (g *group) ask(t *testing.T, method, target, body string, header ...string) (*httptest.ResponseRecorder, api.Problem) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.server(t).Handler(Open).ServeHTTP(w, r)
	var p api.Problem
	if w.Header().Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s %s: %v: %s", method, target, err, w.Body)
		}
	}
	return w, p
}

// A path that is there says how it may be asked; one that is not is not there,
// whatever the method.
func TestAMethodThatIsNotThere(t *testing.T) {
	g := &group{leader: "me", led: true}
	for path, allow := range map[string]string{
		"/": "GET, HEAD", "/livez": "GET, HEAD", "/metrics": "GET, HEAD", "/readyz": "GET, HEAD", "/api/v1/status": "GET, HEAD", "/api/v1/events": "GET, HEAD",
		"/api/v1/nodes": "GET, HEAD", "/api/v1/nodes/n1": "DELETE, GET, HEAD",
		"/api/v1/repos": "GET, POST, HEAD", "/api/v1/repos/a/b": "DELETE, GET, PATCH, HEAD", "/api/v1/repos/a/b:sync": "POST",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "BREW"} {
			if strings.Contains(allow, method) {
				continue
			}
			w, p := g.ask(t, method, path, "")
			if w.Code != 405 || w.Header().Get("Allow") != allow || method != "HEAD" && (p.Code != "method" || !strings.Contains(p.Hint, allow)) {
				t.Errorf("%s %s: %d, Allow %q, %+v", method, path, w.Code, w.Header().Get("Allow"), p)
			}
		}
	}
	if w, p := g.ask(t, "PUT", "/api/v1/nowhere", ""); w.Code != 404 || p.Code != "no_such_path" {
		t.Errorf("PUT of what is not there: %d %+v", w.Code, p)
	}
	for path, allow := range map[string]string{"/git/a/info/refs?service=git-upload-pack": "GET", "/git/a/git-upload-pack": "POST"} {
		if w, _ := g.ask(t, "PUT", path, ""); w.Code != 405 || w.Header().Get("Allow") != allow {
			t.Errorf("PUT %s: %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
}

// HEAD is GET without the answer's body.
func TestHeadIsAnsweredAsGet(t *testing.T) {
	g := &group{leader: "me", led: true}
	if w, _ := g.ask(t, "HEAD", "/livez", ""); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// What nodes say to each other in headers, a stranger does not say: a write that
// claims to have been forwarded is forwarded to the leader all the same, without the
// claim.
func TestStrangersHeadersAreTakenOut(t *testing.T) {
	p := &forwarding{}
	g := &group{leader: "other", peers: p}
	w, _ := g.ask(t, "POST", "/api/v1/repos", `{"url":"https://h/r"}`, "X-Gitmirror-Forwarded", "evil", "x-gitmirror-cluster", "evil", "X-Gitmirror-Anything", "evil")
	if w.Code != 204 || p.got == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, v := range p.got {
		if strings.Contains(strings.Join(v, " "), "evil") {
			t.Errorf("the leader was told %s: %s", name, v)
		}
	}
	if p.got.Get("X-Gitmirror-Forwarded") != "me" {
		t.Errorf("forwarded by %q", p.got.Get("X-Gitmirror-Forwarded"))
	}
}

type forwarding struct {
	Peers
	got http.Header
}

func (f *forwarding) Transport(time.Duration) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		f.got = r.Header
		return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
}

// What would not be heard, or could be heard in two ways, is refused, with what is
// wrong and what to do.
func TestInputsMeanOneThing(t *testing.T) {
	g := &group{leader: "me", led: true}
	for name, c := range map[string]struct{ method, target, body, code, says string }{
		"a key in another case":     {"POST", "/api/v1/repos", `{"URL":"https://h/r"}`, "json_invalid", `\"url\"`},
		"a key twice":               {"POST", "/api/v1/repos", `{"url":"https://h/r","url":"https://h/s"}`, "json_invalid", "twice"},
		"an unknown key":            {"POST", "/api/v1/repos", `{"url":"https://h/r","uri":"x"}`, "json_invalid", "known here"},
		"an unknown key in a list":  {"POST", "/api/v1/repos", `{"repos":[{"url":"https://h/r","uri":"x"}]}`, "json_invalid", "repos[0].uri"},
		"no UTF-8":                  {"POST", "/api/v1/repos", "{\"url\":\"https://h/\xff\"}", "json_invalid", "UTF-8"},
		"a byte order mark":         {"POST", "/api/v1/repos", "\ufeff" + `{"url":"https://h/r"}`, "json_invalid", "byte order mark"},
		"something behind it":       {"POST", "/api/v1/repos", `{"url":"https://h/r"}]`, "json_invalid", "follows"},
		"NaN":                       {"POST", "/api/v1/repos", `{"url":"https://h/r","replicas":NaN}`, "json_invalid", "no JSON"},
		"1e400":                     {"POST", "/api/v1/repos", `{"url":"https://h/r","replicas":1e400}`, "json_invalid", "replicas"},
		"deep":                      {"POST", "/api/v1/repos", `{"url":` + strings.Repeat("[", 100_000), "json_invalid", "deep"},
		"a body of a check":         {"POST", "/api/v1/repos/a:sync", `{"wait":"30s"}`, "json_invalid", "wait"},
		"a body of a removal":       {"DELETE", "/api/v1/repos/a", `{"force":true}`, "json_invalid", "force"},
		"a body of a removal, node": {"DELETE", "/api/v1/nodes/a", `{"force":true}`, "json_invalid", "force"},
		"a wait that would be cut":  {"POST", "/api/v1/repos/a:sync?wait=1s1ns", ``, "query_invalid", "millisecond"},
		"a query twice":             {"GET", "/api/v1/repos?limit=1&limit=2", ``, "query_invalid", "once"},
		"a query that is broken":    {"GET", "/api/v1/repos?state=ready;limit=1", ``, "query_invalid", "read"},
		"a query's escape":          {"GET", "/api/v1/repos?state=%zz", ``, "query_invalid", "read"},
	} {
		w, p := g.ask(t, c.method, c.target, c.body)
		if w.Code != 400 || p.Code != c.code || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for target, says := range map[string]string{"/api/v1/repos/h:81/a": "h+81/a", "/api/v1/repos/h:81/a:sync": "h+81/a", "/api/v1/repos/a:sing": "sync"} {
		if w, p := g.ask(t, "POST", target, ``); w.Code != 404 || !strings.Contains(p.Hint, says) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w, p := g.ask(t, "POST", "/api/v1/repos", `{}`, "Idempotency-Key", "a", "Idempotency-Key", "b"); w.Code != 400 || p.Code != "key_invalid" {
		t.Errorf("two keys: %d %s", w.Code, w.Body)
	}
	if strings.Contains(strings.Join(g.asked, " "), "write") {
		t.Errorf("something was written: %v", g.asked)
	}
}

// What a page can send across origins without asking first is refused, whatever it is for.
func TestWhatIsNoJSONDoesNothing(t *testing.T) {
	for _, rt := range routes {
		for _, ct := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json-seq"} {
			if rt.kind != write && rt.kind != ask {
				continue
			}
			g := &group{leader: "other", led: true, peers: leads{}}
			r := httptest.NewRequest(rt.method, strings.ReplaceAll(rt.path, "{name}", "h"), strings.NewReader("{}"))
			r.Header.Set("Content-Type", ct)
			w := httptest.NewRecorder()
			g.server(t).Handler(Open).ServeHTTP(w, r)
			if w.Code != http.StatusUnsupportedMediaType || len(g.asked) > 0 {
				t.Errorf("%s %s with %q: %d, and %v was asked", rt.method, rt.path, ct, w.Code, g.asked)
			}
		}
	}
}
