package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// Who may write follows from where a request comes in. What a proxy has passed on to a
// loopback address is not of this host, whatever its connection is.
func TestWhoMayWrite(t *testing.T) {
	const here, elsewhere = "127.0.0.1:40000", "203.0.113.7:40000"
	for name, c := range map[string]struct {
		by     Door
		from   string
		header string
		allow  bool
	}{
		"from others": {Reachable, elsewhere, "", false},
		"from this host, at an address of others": {Reachable, here, "", false},
		"at loopback":                                       {Loopback, here, "", true},
		"at loopback, by IPv6":                              {Loopback, "[::1]:40000", "", true},
		"at loopback, passed on: Forwarded":                 {Loopback, here, "Forwarded", false},
		"at loopback, passed on: X-Forwarded-For":           {Loopback, here, "X-Forwarded-For", false},
		"at loopback, passed on: X-Forwarded-Proto":         {Loopback, here, "X-Forwarded-Proto", false},
		"at loopback, passed on: X-Real-IP":                 {Loopback, here, "X-Real-IP", false},
		"at loopback, passed on: Via":                       {Loopback, here, "Via", false},
		"at loopback, passed on: X-Forwarded":               {Loopback, here, "X-Forwarded", false},
		"at loopback, passed on: CF-Connecting-IP":          {Loopback, here, "CF-Connecting-IP", false},
		"at loopback, passed on: True-Client-IP":            {Loopback, here, "True-Client-IP", false},
		"at loopback, passed on: X-Client-IP":               {Loopback, here, "X-Client-IP", false},
		"at loopback, passed on: X-Cluster-Client-IP":       {Loopback, here, "X-Cluster-Client-IP", false},
		"at loopback, passed on: Fastly-Client-IP":          {Loopback, here, "Fastly-Client-IP", false},
		"at loopback, from others whom the kernel lets in":  {Loopback, elsewhere, "", false},
		"by the socket":                                     {Socket, "@", "", true},
		"by the socket, passed on by who may open it":       {Socket, "@", "X-Forwarded-For", true},
		"from others, where everybody may":                  {Open, elsewhere, "", true},
		"from others, passed on, where everybody may":       {Open, elsewhere, "X-Forwarded-For", true},
		"from others, by a door that nobody has thought of": {Open + 1, elsewhere, "", false},
	} {
		ask := func(method, path string) (int, api.Problem) {
			return comeIn(t, c.by, c.from, method, path, "127.0.0.1", map[string]string{c.header: "203.0.113.7"})
		}
		for _, w := range [][2]string{{"POST", "/api/v1/repos"}, {"POST", "/api/v1/repos/r:sync"}, {"PATCH", "/api/v1/repos/r"}, {"DELETE", "/api/v1/nodes/n1"}} {
			code, p := ask(w[0], w[1])
			if denied := code == 403 && p.Code == string(refusal.ReadOnlyAddress); denied == c.allow {
				t.Errorf("%s, %s %s: %d %s (%s)", name, w[0], w[1], code, p.Code, p.Detail)
			}
			if !c.allow && !strings.Contains(p.Hint, "--data") {
				t.Errorf("%s: the refusal is %q, with the hint %q", name, p.Detail, p.Hint)
			}
			if !c.allow && c.by == Loopback && c.header != "" && !strings.Contains(strings.ToLower(p.Detail), strings.ToLower(c.header)) {
				t.Errorf("%s: the refusal does not name the header: %s", name, p.Detail)
			}
		}
		if code, p := ask("GET", "/api/v1/repos/r"); code != 200 {
			t.Errorf("%s: a read: %d %s", name, code, p.Code)
		}
	}
}

// Names lead to ports, not to sockets; a page of elsewhere writes by neither.
func TestPagesAndDoors(t *testing.T) {
	for _, c := range []struct {
		by           Door
		host, origin string
		code         string
	}{
		{Reachable, "evil.example", "", "host_unknown"},
		{Loopback, "evil.example", "", "host_unknown"},
		{Open, "evil.example", "", "host_unknown"},
		{Socket, "evil.example", "", ""},
		{Socket, "", "", ""},
		{Socket, "localhost", "https://evil.example", "cross_origin"},
		{Socket, "evil.example", "https://other.example", "cross_origin"},
		{Loopback, "localhost", "https://evil.example", "cross_origin"},
	} {
		code, p := comeIn(t, c.by, "127.0.0.1:40000", "POST", "/api/v1/repos/r:sync", c.host, map[string]string{"Origin": c.origin})
		if p.Code != c.code || (c.code == "") != (code == 202) {
			t.Errorf("door %d as %q from %q: %d %s, want %s", c.by, c.host, c.origin, code, p.Code, c.code)
		}
	}
}

// A node that takes this port for one of nodes is told which that is.
func TestACallOfANodeIsToldWhereToGo(t *testing.T) {
	for by := Reachable; by <= Open; by++ {
		code, p := comeIn(t, by, "127.0.0.1:40000", "GET", "/peer/v1/hello", "peer.gitmirror.invalid", nil)
		if code != 421 || p.Code != "http_port" || p.Hint != "--join n3:1" {
			t.Errorf("%d %s, hint %q", code, p.Code, p.Hint)
		}
	}
}

// comeIn asks a node, which leads and cannot write just then, by a door.
func comeIn(t *testing.T, by Door, from, method, path, host string, header map[string]string) (int, api.Problem) {
	t.Helper()
	a := surrounded(t)
	a.publish(1).ready("n1", 1).ready("n2", 1)
	a.leader, a.confirm = "n3", errors.New("no")
	a.syncs = func(context.Context, string, bool) (api.SyncOutcome, error) { return api.SyncOutcome{}, nil }
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
	r.Host, r.RemoteAddr = host, from
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		if name != "" && value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	a.server(t).Handler(by).ServeHTTP(w, r)
	var p api.Problem
	if w.Code >= 400 {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	return w.Code, p
}
